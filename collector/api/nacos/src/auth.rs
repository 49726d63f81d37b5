//! Users, passwords, tokens and rights.
