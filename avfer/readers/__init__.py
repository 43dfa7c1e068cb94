"""Where pictures and sound come from: one file per library, each a plain iterator over one media file."""
