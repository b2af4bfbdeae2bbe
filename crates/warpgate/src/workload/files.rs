pub(crate) async fn serve<S: super::EdgeStream>(_dir: &std::path::Path, _stream: &mut S, _request: super::Request) -> Result<(), super::Fault> { Err(super::Fault::Internal) }
