//! The API as OpenAPI 3.1, from the code. `openapi/v1.json` is a copy of it, and a test says when it is old.

use mezu_api::{Problem, paths, schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

const ABOUT: &str = "\
All of Mezusphere's configuration. What an org owns is below `/orgs/{org}`; `x-permission` names what an operation \
takes. Refusals are problem documents (RFC 9457) with a stable `code`, listed in docs/api-errors.md. Lists come in \
parts (`limit`, `cursor`). What is edited has an `ETag`, to be sent back as `If-Match`. A POST with an \
`Idempotency-Key` can be repeated for 24 hours. A change is answered once the edge serves it, with the generation in \
`Mezu-Generation`; with 202 and `Mezu-Late` when the edge is late.";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new()
        .description("Why it was not done. The code tells the kind, see docs/api-errors.md.")
        .content("application/problem+json", problem)
        .build();
    let components = ComponentsBuilder::new()
        .schema(Problem::name(), Problem::schema())
        .schema("Id", schema::Id::schema())
        .response("Problem", problem)
        .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(paths::COOKIE))))
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .build();
    let info = InfoBuilder::new()
        .title("Mezusphere")
        .version("1")
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    super::operations().describe(OpenApiBuilder::new().info(info).components(Some(components)).build())
}
