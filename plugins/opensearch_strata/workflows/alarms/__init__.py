"""What is wrong with a dataset so that somebody must look: one alarm for each cause, with what to do about it."""
