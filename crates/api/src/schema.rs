//! The forms of the model's types, for the document. A field says `#[schema(value_type = schema::Label)]`.

use std::borrow::Cow;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = |$object:ident| $form:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let $object = ObjectBuilder::new().schema_type(Type::String);
                $form.into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

texts! {
    /// An id of any kind.
    Id = |text| text.format(Some(SchemaFormat::Custom("uuid".into())))
        .pattern(Some("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))
        .description(Some("An id: a UUID."));
    /// One DNS label.
    Label = |text| text.min_length(Some(1)).max_length(Some(63))
        .pattern(Some("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"))
        .description(Some("A name: one DNS label, kept in lower case."));
    /// A hostname; the noun of that name is the claim to one.
    DnsName = |text| text.min_length(Some(1)).max_length(Some(253))
        .pattern(Some(
            r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
        ))
        .description(Some("A DNS name without a dot at its end, kept in lower case."));
    /// A machine's code.
    MachineCode = |text| text.min_length(Some(8)).max_length(Some(9))
        .pattern(Some("^[A-HJKMNP-TV-Z2-9]{4}-[A-HJKMNP-TV-Z2-9]{4}$"))
        .description(Some("The code that a machine shows."));
    /// A mail address.
    Email = |text| text.min_length(Some(3)).max_length(Some(254))
        .pattern(Some(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"))
        .description(Some("A mail address, kept in lower case."));
    /// A member's role.
    Role = |text| text.enum_values(Some(["viewer", "editor", "admin", "owner"]))
        .description(Some("What a member may do in an org. Each role may do what those before it may."));
}

/// The capabilities of a route: the schema is that of `mezu_policy`.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline;

impl PartialSchema for Pipeline {
    fn schema() -> RefOr<Schema> {
        let about = "The capabilities that are switched on, each with its settings, such as \
            {\"body_limit\": {\"bytes\": 1048576}}. docs/capabilities tells of each.";
        ObjectBuilder::new().schema_type(Type::Object).description(Some(about)).into()
    }
}

impl ToSchema for Pipeline {
    fn name() -> Cow<'static, str> {
        "Pipeline".into()
    }
}
