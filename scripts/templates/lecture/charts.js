// Explorers that draw charts, as elements of SVG: the square of PGD, the plane of Theorem 1's network, the one step of section 3.

const WIDE = 420, TALL = 300, LEFT = 70, RIGHT = 12, TOP = 12, BOTTOM = 58

// Return what a chart is drawn with: its places for numbers, its axes, lines and points. x, y: {label, low, high, log, ticks}.
const chart = (x, y, tall = TALL) => {
    const scaled = ({low, high, log}, value) => log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)
    const across = value => LEFT + (WIDE - LEFT - RIGHT) * scaled(x, value), down = value => tall - BOTTOM - (tall - TOP - BOTTOM) * scaled(y, value)
    const round = one => one.toFixed(1), place = ([p, q]) => `${round(across(p))},${round(down(q))}`
    const ticks = x.ticks.map(one => `<path class="axis" d="M${round(across(one))} ${tall - BOTTOM}v5"/>
            <text x="${round(across(one))}" y="${tall - BOTTOM + 23}" text-anchor="middle">${one}</text>`).join("") +
        y.ticks.map(one => `<path class="axis" d="M${LEFT} ${round(down(one))}h-5"/>
            <text x="${LEFT - 8}" y="${round(down(one) + 5)}" text-anchor="end">${one}</text>`).join("")
    const axes = `<rect class="axis" x="${LEFT}" y="${TOP}" width="${WIDE - LEFT - RIGHT}" height="${tall - TOP - BOTTOM}"/>${ticks}
        <text x="${(WIDE + LEFT - RIGHT) / 2}" y="${tall - 8}" text-anchor="middle">${x.label}</text>
        <text transform="translate(18 ${(tall + TOP - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${y.label}</text>`
    const plot = `x="${LEFT}" y="${TOP}" width="${WIDE - LEFT - RIGHT}" height="${tall - TOP - BOTTOM}"`
    return {
        axes,
        picture: (source, id) => `<clipPath id="${id}"><rect ${plot}/></clipPath><image href="${source}" ${plot} preserveAspectRatio="none"/>`,
        line: (points, kind) => `<polyline class="line ${kind}" points="${points.map(place).join(" ")}"/>`,
        dots: (points, kind, r = 4) => points.map(one => `<circle class="dot ${kind}" cx="${round(across(one[0]))}" cy="${round(down(one[1]))}" r="${r}"/>`).join(""),
        box: ([left, low], [right, high], kind) => `<rect class="${kind}" x="${round(across(left))}" y="${round(down(high))}"
            width="${round(across(right) - across(left))}" height="${round(down(low) - down(high))}"/>`,
        circle: (radius, kind) => `<circle class="line ${kind}" cx="${round(across(0))}" cy="${round(down(0))}" r="${round(across(radius) - across(0))}"/>`,
    }
}
const canvases = (count, tall = TALL) => `<div class="planes">${Array(count).fill(`<div><svg class="chart" role="img" aria-label="Not computed yet"
    viewBox="0 0 ${WIDE} ${tall}"></svg><p class="key"></p></div>`).join("")}</div>`
const keys = entries => entries.map(([kind, sign, text]) => `<span class="joined"><span class="${kind}" aria-hidden="true">${sign}</span> ${text}</span>`).join(" ")
const shownIn = (part, number, inside, alt, entries) => {
    const svg = part.querySelectorAll("svg")[number]
    svg.innerHTML = inside
    svg.setAttribute("aria-label", alt)
    part.querySelectorAll(".key")[number].innerHTML = keys(entries)
}

const SQUARE = chart({label: "δ₁", low: -0.42, high: 0.42, ticks: [-0.4, -0.2, 0, 0.2, 0.4]}, {label: "δ₂", low: -0.42, high: 0.42, ticks: [-0.4, -0.2, 0, 0.2, 0.4]}, 408)
const MISSED = chart({label: "step size η", low: 0.01, high: 10, log: true, ticks: [0.01, 0.1, 1, 10]}, {label: "distance to the corner", low: -0.02, high: 0.42, ticks: [0, 0.1, 0.2, 0.3, 0.4]}, 408)
const ETAS = Array.from({length: 100}, (_, i) => 10 ** (-2 + 3 * i / 99))

const PLANE_TALL = TOP + BOTTOM + (WIDE - LEFT - RIGHT) * 1.7 / 2.5 // to scale
const PLANE = chart({label: "toward the opposite sample / √d", low: -0.8, high: 1.7, ticks: [-0.5, 0, 0.5, 1, 1.5]}, {label: "across / √d", low: -0.8, high: 0.9, ticks: [-0.5, 0, 0.5]}, PLANE_TALL)

const STEPS = Array.from({length: 13}, (_, i) => i - 6), BARS = 40
const HISTOGRAM = chart({label: "output", low: -4, high: 4, ticks: [-4, -2, 0, 2, 4]}, {label: "density", low: 0, high: 1, ticks: [0, 0.5, 1]})
const SHARES = chart({label: "step size η", low: -6, high: 6, ticks: [-6, -3, 0, 3, 6]}, {label: "share that flips", low: 0, high: 1.02, ticks: [0, 0.5, 1]})

// Return the outline of a histogram of values, those beyond the axis in its last bars.
const outline = values => {
    const heights = Array(BARS).fill(0), width = 8 / BARS
    for (const one of values) heights[Math.min(Math.max(Math.floor((one + 4) / width), 0), BARS - 1)] += 1 / values.length / width
    return heights.flatMap((one, i) => [[-4 + i * width, Math.min(one, 1)], [-4 + (i + 1) * width, Math.min(one, 1)]])
}

const CHARTED = {
    square: (part, _, id) => {
        part.innerHTML = `<div class="sliders">${control("epsilon", "ε", [0.05, 0.4], id)}${control("eta", "η", [0.01, 10], id, {log: true})}
            ${control("steps", "steps", [1, 10], id, {step: 1})}${RESET}</div>${canvases(2, 408)}`
        return {
            defaults: {epsilon: 0.2, eta: 0.1, steps: 5},
            networks: ["plane"],
            box: Live.BOXLESS,
            calls: values => [["ascents", "plane", values, ETAS]],
            show: ([{paths: [steep, signs], curve, now, threshold, text}], _, {epsilon, eta}) => {
                const ball = SQUARE.box([-epsilon, -epsilon], [epsilon, epsilon], "ball")
                const both = SQUARE.line(signs, "second") + SQUARE.dots(signs, "second", 5) + SQUARE.line(steep, "first") + SQUARE.dots(steep, "first")
                shownIn(part, 0, SQUARE.axes + ball + both, `The ball |δ| ≤ ${epsilon} is a square; ${text}`, [["first", "●", "gradient"], ["second", "●", "sign"]])
                const from = threshold <= 10 ? MISSED.line([[threshold, -0.02], [threshold, 0.42]], "third dashed") : ""
                const line = MISSED.line(ETAS.map((one, i) => [one, curve[i]]), "first") + from + MISSED.dots([[eta, now]], "fourth", 6)
                shownIn(part, 1, MISSED.axes + line, `After one step of η = ${eta} by the gradient, ${now.toFixed(3)} are missing to the corner`,
                    [["third", "┆", "threshold η*"], ["fourth", "●", "this η"]])
                return text
            },
        }
    },
    planes: (part, {seed}, id) => {
        part.innerHTML = `<p class="above">Theorem 1's network, computed here in any dimension:</p><div class="sliders">
            ${control("epsilon", "ε / √d", [0, 1], id)}${control("d", "d", [16, 512], id, {step: 1})}
            ${control("share", "d / m", [2, 32], id, {step: 1})}${RESET}</div>${canvases(1, PLANE_TALL)}`
        return {
            defaults: {epsilon: 0.3, d: 128, share: 4},
            networks: [],
            calls: values => [["built", "planes", values, seed]],
            show: ([{field, wide, tall, zero, strict, neighbour, text}], _, {epsilon}) => {
                const canvas = Object.assign(document.createElement("canvas"), {width: wide, height: tall}), image = new ImageData(wide, tall)
                const colours = [[246, 199, 163, 255], [255, 255, 255, 255], [169, 211, 234, 255]]
                field.forEach((f, i) => image.data.set(colours[Math.abs(f) < 1e-12 ? 1 : f > 0 ? 2 : 0], 4 * i))
                canvas.getContext("2d").putImageData(image, 0, 0)
                const circles = PLANE.circle(zero, "black dashed") + PLANE.circle(strict, "black dotted") + PLANE.circle(epsilon, "black")
                const points = PLANE.dots([[0, 0]], "black", 6) + PLANE.box([neighbour - 0.035, -0.035], [neighbour + 0.035, 0.035], "black square")
                shownIn(part, 0, `${PLANE.axes}${PLANE.picture(canvas.toDataURL(), `${id}-clip`)}<g clip-path="url(#${id}-clip)">${circles}${points}</g>`, text,
                    [["first", "■", "other label"], ["second", "■", "label of the dot"], ["", "□", "f = 0"], ["", "—", "ε"], ["", "- -", "r<sub>zero</sub>"], ["", "···", "r<sub>strict</sub>"]])
                return text
            },
        }
    },
    step: (part, given, id) => {
        part.innerHTML = `<div class="sliders">${control("eta", "η", [-6, 6], id)}${control("k", "k", [2, 5000], id, {step: 1, log: true})}
            ${control("d", "d", [1, 1000000], id, {step: 1, log: true})}${chooser("activation", "σ", Object.keys(given.moments).map(one => [one, one]), id)}${RESET}</div>${canvases(2)}`
        let curves = [], curvesOf
        return {
            defaults: {eta: 3, k: 1000, d: 1000, activation: "tanh"},
            networks: [],
            stages: 2, // the histograms first, then the curves
            calls: (values, stage) => [["oneStep", "step", values, given, stage ? STEPS : []]],
            show: ([{n, samples, curves: found, shares, text}], _, {eta, k, d, activation}, stage) => {
                const drawn = [k, d, activation].join()
                if (stage) [curves, curvesOf] = [found, drawn]
                const [before, printed, repaired] = samples.map(outline)
                shownIn(part, 0, HISTOGRAM.axes + HISTOGRAM.line(before, "faint") + HISTOGRAM.line(printed, "second dashed") + HISTOGRAM.line(repaired, "first"),
                    `Histograms of the output of ${n} networks before and after the step; ${text}`, [["faint", "—", `f(x), ${n} networks`], ["second", "- -", "as printed"], ["first", "—", "repaired"]])
                const kinds = ["third wide", "second dashed", "first dotdash"], line = i => SHARES.line(STEPS.map((one, j) => [one, curves[j][i]]), kinds[i])
                const mark = kinds.map((kind, i) => SHARES.dots([[eta, shares[i]]], kind.split(" ")[0], 5)).join("")
                shownIn(part, 1, SHARES.axes + (drawn === curvesOf ? kinds.map((_, i) => line(i)).join("") : "") + mark, text, [["third", "—", "limit"], ["second", "- -", "as printed"], ["first", "- ·", "repaired"]])
                return text
            },
        }
    },
}
