"""What the archive of a raw day costs: to export, to pack, to prove and to restore."""
