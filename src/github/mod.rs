//! GitHub: tells the commit and the pull request how a run goes and went.
//!
//! | module | job |
//! |---|---|
//! | [`status`] | the commit's status |
//! | [`comment`] | the pull request's one comment |
//! | `body`, `row` | what is in it: the newest result, and the table of all runs |
//! | `access`, `client` | which repository with which secret, and the calls |

mod access;
mod body;
mod client;
pub mod comment;
mod error;
mod row;
pub mod status;

pub use access::{Access, Credentials, Repository};
pub use client::{Client, Comment, CommitStatus, User};
pub use error::Error;
pub use row::{Row, Rows};
