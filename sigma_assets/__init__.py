"""End-of-day portfolio risk as Dagster assets.

Importing the package, before numpy is there, keeps each process to one thread for linear algebra. Our matrices are small:
with a second thread, a night of portfolios took 1.7 times the CPU time, because threads wait for each other by spinning.
Run workers are how more cores are used. An explicit setting wins.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
