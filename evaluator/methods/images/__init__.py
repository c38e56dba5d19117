"""Methods that embed the pictures anew for every set of conditions."""
