//! The API as a whole, asked as a client asks it, on both databases.

mod document;
mod lasting;
mod letting_in;
mod lists;
mod machines;
mod org;
mod people;
mod recovery;
mod refusals;
mod requests;
mod routes;
mod world;
