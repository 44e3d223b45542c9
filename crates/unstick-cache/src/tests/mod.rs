//! Tests of modules that the model checker includes by their files, where these would run on its types.

mod distrust;
mod flight;
