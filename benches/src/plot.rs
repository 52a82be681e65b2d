//! Turns the record of a race into pictures: `benches/record/*.svg`.

use plotters::prelude::*;

use crate::contestants::ALL;
use crate::record::{self, Row};
use crate::workload::Case;

/// A picture, and what is in it.
struct Picture {
    file: &'static str,
    workload: &'static str,
    caption: &'static str,
    x: &'static str,
    /// Whether nanoseconds are on a logarithmic scale too.
    logarithmic: bool,
}

const PICTURES: &[Picture] = &[
    Picture {
        file: "per_message.svg",
        workload: "per_message",
        caption: "Send, receive and close: cost of a descriptor",
        x: "descriptors in one message",
        logarithmic: true,
    },
    Picture {
        file: "growth.svg",
        workload: "bulk",
        caption: "Moved, held and closed: cost of a descriptor (passfd: see the table)",
        x: "descriptors moved, 253 in a message",
        logarithmic: false,
    },
    Picture {
        file: "batch.svg",
        workload: "batch",
        caption: "One descriptor in a message, many messages in a call: cost of a descriptor",
        x: "messages in one sendmmsg",
        logarithmic: false,
    },
];

/// A colour for each contestant: two greys for the floors, reds for this crate, cold colours for the peers.
const COLOURS: [(u8, u8, u8); 12] = [
    (0x77, 0x77, 0x77),
    (0xbb, 0xbb, 0xbb),
    (0xd6, 0x27, 0x28),
    (0xff, 0x7f, 0x0e),
    (0xe7, 0xba, 0x52),
    (0x1f, 0x77, 0xb4),
    (0x17, 0xbe, 0xcf),
    (0x2c, 0xa0, 0x2c),
    (0x94, 0x67, 0xbd),
    (0x8c, 0x56, 0x4b),
    (0xe3, 0x77, 0xc2),
    (0xbc, 0xbd, 0x22),
];

/// A contestant and its points.
type Line<'a> = (&'a str, Vec<(f64, f64)>);

type Error = Box<dyn std::error::Error>;

/// Draws all pictures.
///
/// # Errors
/// There is no record, or no room for a picture.
pub fn draw() -> Result<(), Error> {
    let rows = record::read("race.csv")?;
    PICTURES.iter().try_for_each(|picture| one(picture, &rows))
}

/// The points of a contestant.
fn points(rows: &[Row], workload: &str, contestant: &str) -> Vec<(f64, f64)> {
    let cases = Case::named(Some(workload));
    let point = |case: &Case| {
        let row = rows.iter().find(|row| row.workload == case.name() && row.contestant == contestant)?;
        Some((case.parts().1? as f64, row.value?))
    };
    cases.iter().filter_map(point).collect()
}

/// Thick lines for this crate, thin ones for all others.
fn style(name: &str) -> ShapeStyle {
    let index = ALL.iter().position(|entry| entry.name == name).unwrap_or(0);
    let (r, g, b) = COLOURS[index % COLOURS.len()];
    RGBColor(r, g, b).stroke_width(if name.starts_with("scmsg") { 3 } else { 1 })
}

/// Names, in the order in which the lines end.
fn legend(area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, lines: &[Line<'_>]) -> Result<(), Error> {
    let mut order: Vec<&Line<'_>> = lines.iter().collect();
    order.sort_by(|a, b| f64::total_cmp(&b.1[b.1.len() - 1].1, &a.1[a.1.len() - 1].1));
    for (index, (name, _)) in order.into_iter().enumerate() {
        let y = 60 + 22 * index as i32;
        area.draw(&PathElement::new([(0, y), (20, y)], style(name)))?;
        area.draw(&Text::new(*name, (28, y - 6), ("sans-serif", 13)))?;
    }
    Ok(())
}

fn one(picture: &Picture, rows: &[Row]) -> Result<(), Error> {
    let shown = |name: &&str| picture.logarithmic || *name != "passfd";
    let names: Vec<&str> = ALL.iter().map(|entry| entry.name).filter(shown).collect();
    let lines: Vec<Line<'_>> = names
        .iter()
        .map(|name| (*name, points(rows, picture.workload, name)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let all = || lines.iter().flat_map(|(_, line)| line);
    let end = |value: fn(&(f64, f64)) -> f64| {
        all().map(value).fold((f64::MAX, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = (end(|p| p.0), end(|p| p.1));
    if right == 0.0 {
        return Err(format!("the record has no {}", picture.workload).into());
    }
    let x = (left..right).log_scale();
    let path = record::path(picture.file);
    let whole = SVGBackend::new(&path, (860, 420)).into_drawing_area();
    whole.fill(&WHITE)?;
    let (area, names) = whole.split_horizontally(700);
    let mut builder = ChartBuilder::on(&area);
    builder.caption(picture.caption, ("sans-serif", 18)).margin(12).x_label_area_size(42).y_label_area_size(60);
    legend(&names, &lines)?;
    macro_rules! fill {
        ($chart:expr) => {{
            let mut chart = $chart;
            chart
                .configure_mesh()
                .x_desc(picture.x)
                .y_desc("ns per descriptor")
                .x_label_formatter(&|x| format!("{x:.0}"))
                .y_label_formatter(&|y| format!("{y:.0}"))
                .max_light_lines(0)
                .draw()?;
            for (name, line) in &lines {
                chart.draw_series(LineSeries::new(line.iter().copied(), style(name)).point_size(2))?;
            }
        }};
    }
    if picture.logarithmic {
        fill!(builder.build_cartesian_2d(x, (low / 1.2..high * 1.2).log_scale())?);
    } else {
        fill!(builder.build_cartesian_2d(x, 0.0..high * 1.1)?);
    }
    whole.present()?;
    Ok(())
}
