"""Training of face networks on single images."""
