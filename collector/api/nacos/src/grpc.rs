//! The gRPC face of 2.x and 3.x clients.
