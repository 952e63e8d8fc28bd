"""The sections of a dataset's definition that say what raw days hold and what rows keep of them. Pure models."""
