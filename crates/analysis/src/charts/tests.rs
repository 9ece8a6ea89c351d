//! Charts of odd input, and the parts that measure. How charts look is pinned by the committed reports.

mod odd_input;
mod parts;
