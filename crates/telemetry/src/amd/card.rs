//! One card's files.

use std::io;
use std::path::{Path, PathBuf};

use domain::telemetry::GpuReading;

use super::{throttle, uevent};
use crate::file::{OpenFile, entries, name as file_name, read};

pub(super) struct Card {
    index: u32,
    pub(super) name: String,
    /// Its place on the PCI bus, `0000:03:00.0`.
    pub(super) slot: String,
    power_limit_w: Option<f64>,
    link: Option<String>,
    /// Utilisation, memory in use and in all, power, energy, shader and memory clock, temperature.
    quantities: [Quantity; 8],
    throttle: Throttle,
}

impl Card {
    pub(super) fn open(index: u32, device: &Path, pci_ids: &[PathBuf]) -> Self {
        let hwmon = entries(&device.join("hwmon"));
        let sensor = |file: &str| hwmon.first().map(|folder| folder.join(file));
        let number = |files: &[Option<PathBuf>], what, scale| {
            let files = files.iter().flatten().cloned();
            Quantity::open(files, what, Shape::Number, scale)
        };
        let file = |name: &str, what| number(&[Some(device.join(name))], what, 1.0);
        let clock = |label, sensors: [&str; 2], table, what| {
            // The sensor in hertz where it carries the right label, the table of levels otherwise.
            let labelled = sensors.into_iter().find_map(|name| {
                let of = sensor(&format!("{name}_label"))?;
                (read(&of).as_deref() == Some(label)).then(|| sensor(&format!("{name}_input")))?
            });
            match labelled {
                Some(sensor) if sensor.exists() => number(&[Some(sensor)], what, 1e-6),
                _ => Quantity::open([device.join(table)], what, Shape::Levels, 1.0),
            }
        };
        let power = [sensor("power1_average"), sensor("power1_input")];
        Self {
            index,
            name: name(device, pci_ids),
            slot: uevent(device, "PCI_SLOT_NAME").unwrap_or_else(|| format!("card {index}")),
            power_limit_w: sensor("power1_cap")
                .and_then(|path| read(&path)?.parse::<f64>().ok())
                .map(|microwatts| microwatts / 1e6),
            link: link(device),
            quantities: [
                file("gpu_busy_percent", "utilisation"),
                file("mem_info_vram_used", "memory in use"),
                file("mem_info_vram_total", "memory in all"),
                number(&power, "power", 1e-6),
                number(&[sensor("energy1_input")], "energy counter", 1e-6),
                clock("sclk", ["freq1", "freq2"], "pp_dpm_sclk", "shader clock"),
                clock("mclk", ["freq2", "freq1"], "pp_dpm_mclk", "memory clock"),
                number(&[sensor("temp1_input")], "temperature", 1e-3),
            ],
            throttle: Throttle::open(&device.join("gpu_metrics")),
        }
    }

    pub(super) fn read(&mut self) -> Option<GpuReading> {
        let throttle = self.throttle.read();
        let known = throttle.is_some();
        let [
            busy,
            used,
            total,
            power,
            energy,
            shader,
            memory,
            temperature,
        ] = self.quantities.each_mut().map(Quantity::read);
        let whole = |value: f64| value.round() as u64;
        let clock = |value: f64| value.round() as u32;
        let nothing = GpuReading {
            index: self.index,
            ..GpuReading::default()
        };
        let reading = GpuReading {
            utilisation_percent: busy,
            memory_used_bytes: used.map(whole),
            memory_total_bytes: total.map(whole),
            power_w: power,
            energy_j: energy,
            sm_clock_mhz: shader.map(clock),
            memory_clock_mhz: memory.map(clock),
            temperature_c: temperature,
            throttle_reasons: throttle.unwrap_or_default(),
            ..nothing.clone()
        };
        (known || reading != nothing).then_some(reading)
    }

    /// The quantities that the card does not give, each with the reason.
    pub(super) fn notes(&self) -> Vec<String> {
        self.quantities
            .iter()
            .filter_map(|quantity| quantity.source.as_ref().err())
            .chain(self.throttle.0.as_ref().err())
            .map(|why| format!("{}: {why}", self.name))
            .collect()
    }

    pub(super) fn facts(&self) -> impl Iterator<Item = (String, String)> {
        let limit = self.power_limit_w.map(|watts| format!("{watts:.0} W"));
        let facts = [
            ("pci", Some(self.slot.clone())),
            ("link", self.link.clone()),
            ("power_limit", limit),
        ];
        let named = |(what, value): (&str, Option<String>)| {
            Some((format!("gpu_{}_{what}", self.index), value?))
        };
        facts.into_iter().filter_map(named)
    }
}

/// How a file writes its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Number,
    /// A level a line, `1: 1800Mhz *`; the star marks the one in use.
    Levels,
}

/// One number of a card, or why there is none.
#[derive(Debug)]
struct Quantity {
    source: Result<OpenFile, String>,
    shape: Shape,
    scale: f64,
}

impl Quantity {
    /// The first of several files that holds such a number.
    fn open(
        files: impl IntoIterator<Item = PathBuf>,
        what: &str,
        shape: Shape,
        scale: f64,
    ) -> Self {
        let mut why: Option<String> = None;
        for path in files {
            let mut kept = match OpenFile::open(&path) {
                Ok(kept) => kept,
                Err(error) => {
                    why.get_or_insert_with(|| unreadable(&path, &error));
                    continue;
                }
            };
            why = match text(&mut kept) {
                Ok(text) if parse(text, shape).is_some() => {
                    return Self {
                        source: Ok(kept),
                        shape,
                        scale,
                    };
                }
                Ok(text) => Some(format!("{} holds `{}`", file_name(&path), shown(text))),
                Err(error) => Some(unreadable(&path, &error)),
            };
        }
        let why = why.unwrap_or_else(|| "no hwmon folder".to_owned());
        Self {
            source: Err(format!("no {what} ({why})")),
            shape,
            scale,
        }
    }

    fn read(&mut self) -> Option<f64> {
        let text = text(self.source.as_mut().ok()?).ok()?;
        parse(text, self.shape).map(|number| number * self.scale)
    }
}

fn parse(text: &str, shape: Shape) -> Option<f64> {
    let digits = match shape {
        Shape::Number => text.trim(),
        Shape::Levels => {
            let level = text.lines().find(|line| line.trim_end().ends_with('*'))?;
            let (_, level) = level.split_once(':')?;
            let level = level.trim_end().trim_end_matches('*').trim();
            let unit = level.find(|c: char| !c.is_ascii_digit())?;
            if !level[unit..].eq_ignore_ascii_case("mhz") {
                return None;
            }
            &level[..unit]
        }
    };
    // Temperatures may be below zero; the kernel writes whole numbers only.
    digits.parse::<i64>().ok().map(|number| number as f64)
}

#[derive(Debug)]
struct Throttle(Result<OpenFile, String>);

impl Throttle {
    fn open(path: &Path) -> Self {
        let open = || {
            let mut kept = OpenFile::open(path).map_err(|error| unreadable(path, &error))?;
            let table = kept.bytes().map_err(|error| unreadable(path, &error))?;
            throttle::bits(table).map_err(|why| format!("gpu_metrics: {why}"))?;
            Ok(kept)
        };
        Self(open().map_err(|why: String| format!("no throttle reasons ({why})")))
    }

    fn read(&mut self) -> Option<Vec<String>> {
        let table = self.0.as_mut().ok()?.bytes().ok()?;
        throttle::bits(table).ok().map(throttle::names)
    }
}

/// The file's text as it is now.
fn text(kept: &mut OpenFile) -> io::Result<&str> {
    std::str::from_utf8(kept.bytes()?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::InvalidData => "holds no text".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    format!("{} {why}", file_name(path))
}

/// The start of a text that was not understood.
fn shown(text: &str) -> String {
    text.trim().chars().take(20).collect()
}

/// `16.0 GT/s PCIe x16`, as the link runs now; an idle card slows it down.
fn link(device: &Path) -> Option<String> {
    let speed = read(&device.join("current_link_speed"))?;
    let width = read(&device.join("current_link_width"))
        .map(|width| format!(" x{width}"))
        .unwrap_or_default();
    Some(format!("{speed}{width}"))
}

/// The name in the card, the name in the list of PCI devices, or its PCI numbers.
fn name(device: &Path, pci_ids: &[PathBuf]) -> String {
    if let Some(name) = read(&device.join("product_name")) {
        return name;
    }
    let Some(id) = read(&device.join("device")) else {
        return "AMD GPU".to_owned();
    };
    let id = id.trim_start_matches("0x").to_ascii_lowercase();
    pci_ids
        .iter()
        .find_map(|path| device_name(&read(path)?, &id))
        .map_or_else(
            || format!("AMD GPU 1002:{id}"),
            |name| format!("AMD {name}"),
        )
}

/// AMD's device with this number in a list of PCI devices.
fn device_name(list: &str, id: &str) -> Option<String> {
    let of_amd = list
        .lines()
        .skip_while(|line| !line.starts_with("1002 "))
        .skip(1)
        .take_while(|line| line.starts_with('\t') || line.starts_with('#'));
    let mut devices = of_amd.filter(|line| !line.starts_with("\t\t"));
    devices.find_map(|line| {
        let (number, name) = line.trim().split_once(char::is_whitespace)?;
        (number == id).then(|| name.trim().to_owned())
    })
}
