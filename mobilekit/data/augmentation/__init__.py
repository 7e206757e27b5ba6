"""Images shown otherwise each time, and targets that follow them."""
