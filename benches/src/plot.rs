pub fn draw() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}
