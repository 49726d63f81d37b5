//! The rollcall-collector binary.

fn main() {}
