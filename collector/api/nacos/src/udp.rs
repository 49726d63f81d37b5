//! Push to 1.x subscribers over UDP.
