//! What this protocol alone has: typed calls, and servers told apart. What both clients do is tested
//! by `transport`.

mod calls;
mod simulated;
