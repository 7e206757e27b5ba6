"""Values that the stages exchange; imports no torch and no other part of mobilekit."""
