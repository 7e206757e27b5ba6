"""Tables and pages for people; reads values and files only."""
