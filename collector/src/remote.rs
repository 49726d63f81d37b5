//! What collectors say to each other (protocols/skywalking.md section 5.4).
//!
//! A registration travels as one message with upstream's numbers and columns: [`columns`].

pub mod columns;
