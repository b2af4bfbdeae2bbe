
pub mod answer;
pub mod http;
mod pages;
