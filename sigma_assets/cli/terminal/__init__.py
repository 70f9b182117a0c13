"""What commands share: options, printing, opening the installation."""
