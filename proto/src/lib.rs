//! The wire of SkyWalking agents and collectors.
