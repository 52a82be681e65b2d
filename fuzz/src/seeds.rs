//! Turns attacks and upstream issues into small inputs.
