//! Programs that others wrote, through the whole chain.
