"""Run workers that start warm: forked from a process that has imported everything."""
