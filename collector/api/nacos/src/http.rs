//! The HTTP face: the calls of v1, v2 and v3 under one context path.
