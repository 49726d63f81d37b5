//! Tests the console in a real browser, against real processes.

mod actions;
mod built;
mod kit;
mod pages;
mod signin;
