//! collector

pub mod storage;
