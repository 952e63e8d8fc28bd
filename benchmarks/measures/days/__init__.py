"""What a raw day of any size costs: loaded, condensed and proven, compared with a small one."""
