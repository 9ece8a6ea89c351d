//! What only this protocol has: typed calls, and the identification of servers. `transport` tests what both
//! clients do.

mod calls;
mod simulated;
