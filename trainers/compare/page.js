"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const COLOURS = {
  light: ["#0067b1", "#c8500a", "#00805c", "#a8478a", "#8a6a00", "#5b5bd6", "#b3261e", "#4f5b66", "#007f8c", "#6b8e00"],
  dark: ["#5cb3ff", "#ff9a5c", "#3fd0a0", "#ef9fd3", "#e6c34a", "#a5a5ff", "#ff8a80", "#b8c2cc", "#5cd6e0", "#b9dc4a"],
};
const PRINT_WIDTH = 310, PRINT_HEIGHT = 210;
const shown = data.sections.map((section) => section.groups.map(() => true));
const plots = [];

const pressed = (id) => document.getElementById(id).getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (value) => Number(value.toPrecision(4)).toLocaleString("en");

function colour(index) {
  const palette = COLOURS[document.documentElement.dataset.theme];
  return palette[index % palette.length];
}

function see_through(hex, share) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${red},${green},${blue},${share})`;
}

/* The traces of a chart. Each group has a band and its median, and the single seeds if they are switched on. */
function traces(chart, section, visible) {
  const below = [], above = [];
  section.groups.forEach((group, index) => {
    const band = (group.bands[chart.tag] || {})[chart.axis];
    if (!band || !visible[index]) return;
    const ink = colour(index), none = { width: 0, color: ink }, several = group.runs.length > 1;
    if (several) {
      below.push({ x: band.x, y: band.low, mode: "lines", line: none, hoverinfo: "skip" });
      below.push({ x: band.x, y: band.high, mode: "lines", line: none, hoverinfo: "skip", fill: "tonexty",
        fillcolor: see_through(ink, 0.16) });
    }
    if (several && pressed("seeds")) {
      for (const run of group.runs.filter((run) => run.curves[chart.tag])) {
        const curve = run.curves[chart.tag];
        below.push({ x: curve[chart.axis], y: curve.values, mode: "lines", hoverinfo: "skip",
          line: { width: 1, color: see_through(ink, 0.6), dash: group.dashed ? "dash" : "solid" } });
      }
    }
    const range = several ? " (%{customdata[0]:,.4~g} … %{customdata[1]:,.4~g})" : "";
    above.push({ x: band.x, y: band.median, customdata: band.low.map((low, at) => [low, band.high[at]]),
      name: group.name, mode: band.x.length > 1 ? "lines" : "markers",
      line: { width: 2.5, color: ink, dash: group.dashed ? "dash" : "solid" }, marker: { color: ink },
      hovertemplate: `%{y:,.4~g}${range}` });
  });
  return below.concat(above).map((trace) => ({ type: "scatter", showlegend: false, ...trace }));
}

function layout(chart) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true };
  const loss = chart.tag.startsWith("Losses/");
  return {
    margin: { l: 48, r: 22, t: 6, b: 42 }, autosize: true, hovermode: "x unified",
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: css("--ink") },
    hoverlabel: { bgcolor: css("--raised"), bordercolor: css("--line"), font: { color: css("--ink") } },
    xaxis: { ...axis, title: { text: data.axes[chart.axis], standoff: 6 }, type: pressed("log-x") ? "log" : "linear",
      nticks: 6, rangemode: "tozero", hoverformat: ",.4~s", ...(pressed("log-x") ? { dtick: "D2" } : {}) },
    yaxis: { ...axis, nticks: 6, ...(loss && pressed("log-losses") ? { type: "log", dtick: "D2" } : { type: "linear" }) },
  };
}

function draw(number_of_section) {
  for (const plot of plots.filter((plot) => number_of_section === undefined || plot.section === number_of_section)) {
    const lines = traces(plot.chart, data.sections[plot.section], shown[plot.section]);
    Plotly.react(plot.element, lines, layout(plot.chart), { displayModeBar: false, responsive: true });
    plot.at = null;
  }
}

/* The arrow keys move along the curves. The values there are shown and announced to screen readers. */
function walk(plot, event) {
  const medians = plot.element.data.filter((trace) => trace.name);
  const places = [...new Set(medians.flatMap((trace) => trace.x))].sort((a, b) => a - b);
  const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  if (!(event.key in moves) || !places.length) return;
  event.preventDefault();
  const from = plot.at === null ? (moves[event.key] > 0 ? -1 : places.length) : plot.at;
  plot.at = Math.min(places.length - 1, Math.max(0, from + moves[event.key]));
  const x = places[plot.at];
  Plotly.Fx.hover(plot.element, { xval: x }, "xy");
  const said = medians.filter((trace) => trace.x[0] <= x && x <= trace.x.at(-1)).map((trace) => {
    const near = trace.x.reduce((best, place, at) => (Math.abs(place - x) < Math.abs(trace.x[best] - x) ? at : best), 0);
    return `${trace.name} ${number(trace.y[near])}`;
  });
  plot.reading.textContent = `${number(x)} ${data.axes[plot.chart.axis]}: ${said.join(", ")}`;
}

function build() {
  data.sections.forEach((section, index) => {
    const place = document.getElementById(`section-${index}`);
    section.groups.forEach((group, member) => {
      const chip = document.createElement("button");
      chip.type = "button";
      press(chip, true);
      const dashes = group.dashed ? "6 4" : "none";
      chip.innerHTML = `<svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4"
        stroke-width="3" stroke-dasharray="${dashes}"></line></svg>`;
      chip.append(group.name);
      chip.addEventListener("click", () => {
        shown[index][member] = !shown[index][member];
        press(chip, shown[index][member]);
        draw(index);
      });
      place.querySelector(".chips").append(chip);
    });
    for (const chart of data.charts) {
      if (!section.groups.some((group) => (group.bands[chart.tag] || {})[chart.axis])) continue;
      const figure = document.createElement("div");
      figure.className = "chart";
      const title = `${chart.title} against ${data.axes[chart.axis]}`;
      figure.innerHTML = `<h3></h3><div class="plot" tabindex="0" role="group"></div>
        <p class="reading" aria-live="polite"></p>`;
      figure.querySelector("h3").textContent = title;
      const element = figure.querySelector(".plot");
      element.setAttribute("aria-label", `${title}; the arrow keys read values`);
      const plot = { element, chart, section: index, at: null, reading: figure.querySelector(".reading") };
      element.addEventListener("keydown", (event) => walk(plot, event));
      element.addEventListener("blur", () => { plot.reading.textContent = ""; Plotly.Fx.unhover(element); });
      place.querySelector(".charts").append(figure);
      plots.push(plot);
    }
  });
}

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  press(document.getElementById("dark"), dark);
  document.querySelectorAll(".chips").forEach((chips) => [...chips.children].forEach((chip, member) =>
    chip.querySelector("line").setAttribute("stroke", colour(member))));
}

async function unpack() {
  const packed = atob(document.getElementById("library").textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

async function start() {
  build();
  const prefers = matchMedia("(prefers-color-scheme: dark)");
  theme(prefers.matches);
  await unpack();
  draw();
  for (const id of ["log-x", "log-losses", "seeds", "dark"]) {
    const button = document.getElementById(id);
    button.addEventListener("click", () => {
      press(button, !pressed(id));
      if (id === "dark") theme(pressed(id));
      draw();
    });
  }
  prefers.addEventListener("change", () => { theme(prefers.matches); draw(); });
  let before = false;
  addEventListener("beforeprint", () => {
    before = pressed("dark");
    theme(false);
    draw();
    plots.forEach((plot) => Plotly.relayout(plot.element, { width: PRINT_WIDTH, height: PRINT_HEIGHT }));
  });
  addEventListener("afterprint", () => {
    theme(before);
    plots.forEach((plot) => Plotly.relayout(plot.element, { width: null, height: null, autosize: true }));
    draw();
  });
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  document.getElementById("trouble").textContent =
    `The curves cannot be drawn here (${error.message}); a newer browser can. The tables show the main figures.`;
});
