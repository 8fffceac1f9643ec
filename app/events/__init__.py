"""What happened, told in one order to everybody who follows: changes of prices."""
