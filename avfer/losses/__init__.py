"""Loss functions, with their papers, and the losses of networks that a recipe names in `losses:`."""
