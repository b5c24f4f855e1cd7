// Explorers that compute: the page runs the networks of live.js itself, in a worker where there can be one. What the controls say
// are the explorer's values; they stand in the address, too. The frames of an explorer are there until it computes, in print,
// and where it cannot compute.

let data
const stored = () => data ??= JSON.parse(document.getElementById("live-data").textContent)
const percent = share => `${Math.round(100 * share)} %`
const joined = text => text.replaceAll(" %", "\u00a0%") // below a narrow picture no line begins with the sign
const escaped = text => new Option(text).innerHTML

// ---- Computing: each network in a worker of its own, else here ----

const services = new Map(), asked = new Map()

const answered = ({data: {number, result, error}}) => {
    const {done, fail} = asked.get(number)
    asked.delete(number)
    error ? fail(new Error(error)) : done(result)
}

const serviceHere = () => {
    const scope = {postMessage: data => answered({data})}
    Live.serve(scope)
    return {postMessage: data => setTimeout(() => scope.onmessage({data}))}
}

const started = name => {
    try {
        const source = `${document.getElementById("live-script").textContent}Live.serve(self)`
        const worker = new Worker(URL.createObjectURL(new Blob([source], {type: "text/javascript"})))
        worker.onmessage = answered
        worker.onerror = () => { // no worker after all: what it was asked for is computed here
            services.set(name, serviceHere())
            let given = stored().networks[name]
            for (const [number, one] of asked) {
                if (one.name !== name) continue
                services.get(name).postMessage({number, given, task: one.task, rest: one.rest})
                given = undefined
            }
        }
        return worker
    } catch {
        return serviceHere()
    }
}

let count = 0
const compute = ([task, name, ...rest]) => new Promise((done, fail) => {
    const given = services.has(name) ? undefined : stored().networks[name]
    if (!services.has(name)) services.set(name, started(name))
    asked.set(++count, {done, fail, task, name, rest})
    services.get(name).postMessage({number: count, given, task, rest})
})

// ---- Values in the address: #digit.epsilon=0.137 ----

const slides = document.body.classList.contains("deck") // there the address names the slide
// A pattern, not includes: see argmax in live.js; this thread computes where there is no worker.
const address = () => new URLSearchParams(/=/.test(location.hash) ? location.hash.slice(1) : "")
const remember = (name, values, defaults) => {
    if (slides) return
    const all = address()
    for (const [key, value] of Object.entries(values)) {
        value === defaults[key] ? all.delete(`${name}.${key}`) : all.set(`${name}.${key}`, value)
    }
    const place = location.href.split("#")[0]
    if (all.size || /=/.test(location.hash)) history.replaceState(null, "", all.size ? `${place}#${all}` : place)
}

// Return what the address says of an explorer's values; the usual one where it says nothing, or what its controls cannot show.
const remembered = (name, part, defaults) => {
    const all = address(), values = {...defaults}
    for (const [key, usual] of Object.entries(defaults)) {
        const found = all.get(`${name}.${key}`), input = part.querySelector(`select[data-key=${key}], .typed[data-key=${key}]`)
        if (found === null) continue
        if (input) input.value = found
        if (!input || (input.value !== "" && input.checkValidity())) values[key] = typeof usual === "number" ? Number(found) : found
    }
    return values
}

// ---- Pictures and controls ----

// Return the largest step of 1, 2 or 5 times a power of ten with which a slider has at least eighty positions, all multiples of it.
const stepOf = (low, high) => {
    const most = (high - low) / 80, power = 10 ** Math.floor(Math.log10(most))
    const steps = [5, 2, 1, 0.5, 0.2, 0.1].map(one => Number((one * power).toPrecision(1)))
    return steps.find(one => one <= most * (1 + 1e-9) && Math.abs(low / one - Math.round(low / one)) < 1e-6)
}
// Return a slider and a field for the same number. step: 1 for whole numbers. log: the slider moves the number's logarithm.
const control = (key, label, [low, high], id, {step = "any", log = false} = {}) => {
    const [first, last] = log ? [Math.log10(low), Math.log10(high)] : [low, high]
    return `<div class="control"><label for="${id}-${key}">${label}</label>
        <input type="range" id="${id}-${key}" data-key="${key}"${log ? " data-log" : ""} min="${first}" max="${last}" step="${log ? (last - first) / 200 : step === 1 ? 1 : stepOf(low, high)}">
        <input type="number" class="typed" data-key="${key}" min="${low}" max="${high}" step="${step}" aria-label="${label}, typed"></div>`
}
// Return the number that a slider of a logarithm stands at, to three digits, inside the range of its field.
const exponential = (input, {min, max, step}) => {
    const value = Number((10 ** Number(input.value)).toPrecision(3))
    return Math.min(Math.max(step === "1" ? Math.round(value) : value, min), max)
}

const chooser = (key, label, options, id) => `<div class="control choice"><label for="${id}-${key}">${label}</label>
    <select id="${id}-${key}" data-key="${key}">${options.map(([value, text]) => `<option value="${value}">${text}</option>`).join("")}</select></div>`

const RESET = '<button type="button" class="reset">Reset</button>'

const paint = (canvas, x, [c, h, w], text) => {
    canvas.width = w
    canvas.height = h
    const image = new ImageData(w, h), level = (i, channel) => 255 * x[(c === 1 ? 0 : channel) * h * w + i]
    for (let i = 0; i < h * w; i++) image.data.set([level(i, 0), level(i, 1), level(i, 2), 255], 4 * i)
    canvas.getContext("2d").putImageData(image, 0, 0)
    canvas.setAttribute("aria-label", text)
}
const sum = (x, delta) => Array.from(x, (one, i) => one + delta[i])

// Return a picture's file as an image (3, size, size): upright, its central square, on white. Throws where it cannot be read.
const pictured = async (file, size) => {
    if (!Live.whole(new Uint8Array(await file.arrayBuffer()))) throw new Error("This file is cut short, or is no JPEG, PNG or WebP picture.")
    const image = Object.assign(new Image(), {src: URL.createObjectURL(file)})
    try {
        await image.decode()
    } catch {
        throw new Error("This file cannot be read as a picture.")
    } finally {
        URL.revokeObjectURL(image.src)
    }
    const {naturalWidth: wide, naturalHeight: tall} = image, side = Math.min(wide, tall), most = Math.min(side, 512)
    const canvas = Object.assign(document.createElement("canvas"), {width: most, height: most}), context = canvas.getContext("2d")
    Object.assign(context, {fillStyle: "white", imageSmoothingQuality: "high"}).fillRect(0, 0, most, most)
    context.drawImage(image, Math.floor((wide - side) / 2), Math.floor((tall - side) / 2), side, side, 0, 0, most, most)
    return Live.resized(context.getImageData(0, 0, most, most).data, most, size)
}

// ---- A digit of one's own: strokes on a square pad, as in own.py ----

const SIDE = 280, PEN = 22
const parsed = text => text.split("_").filter(Boolean).map(stroke => { // half a pixel of the pad is not seen: 40.35.100.35
    const numbers = stroke.split(".").map(Number).filter(Number.isFinite)
    return Array.from({length: Math.floor(numbers.length / 2)}, (_, i) => [2 * numbers[2 * i], 2 * numbers[2 * i + 1]])
}).filter(stroke => stroke.length)
const written = strokes => strokes.map(stroke => stroke.flat().map(one => Math.round(one / 2)).join(".")).join("_")

const drawn = (context, strokes) => {
    context.fillStyle = "black"
    context.fillRect(0, 0, SIDE, SIDE)
    context.strokeStyle = "white"
    context.lineWidth = PEN
    context.lineCap = context.lineJoin = "round"
    for (const [first, ...rest] of strokes) {
        context.beginPath()
        context.moveTo(...first)
        for (const point of rest.length ? rest : [first]) context.lineTo(...point)
        context.stroke()
    }
}

// Return strokes as an image like MNIST's: scaled to fit 20 x 20 pixels, its centre of mass in the middle of 28 x 28.
const digit = strokes => {
    const image = new Array(784).fill(0), canvas = Object.assign(document.createElement("canvas"), {width: SIDE, height: SIDE})
    const context = canvas.getContext("2d", {willReadFrequently: true})
    drawn(context, strokes)
    const {data} = context.getImageData(0, 0, SIDE, SIDE), ink = (y, x) => data[4 * (y * SIDE + x)] / 255
    let [top, bottom, left, right] = [SIDE, -1, SIDE, -1]
    for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) {
        if (data[4 * (y * SIDE + x)]) [top, bottom, left, right] = [Math.min(top, y), y, Math.min(left, x), Math.max(right, x)]
    }
    if (bottom < 0) return image
    const tall = bottom + 1 - top, wide = right + 1 - left, scale = 20 / Math.max(tall, wide)
    const rows = Math.max(1, Math.round(scale * tall)), columns = Math.max(1, Math.round(scale * wide))
    const mass = Array.from({length: rows}, () => new Array(columns).fill(0)), share = 1 / (tall / rows * (wide / columns))
    const parts = (i, step) => { // of one row or column of ink: where it goes, and how much of it
        const from = Math.floor(i * step), to = Math.floor((i + 1) * step - 1e-9)
        return from === to ? [[from, 1]] : [[from, (to - i * step) / step], [to, ((i + 1) * step - to) / step]]
    }
    for (let y = 0; y < tall; y++) for (let x = 0; x < wide; x++) {
        const value = ink(top + y, left + x)
        if (value) for (const [i, a] of parts(y, rows / tall)) for (const [j, b] of parts(x, columns / wide)) mass[i][j] += value * a * b * share
    }
    let total = 0, down = 0, across = 0
    mass.forEach((row, i) => row.forEach((one, j) => (total += one, down += one * i, across += one * j)))
    const place = (middle, size) => Math.min(Math.max(Math.round(13.5 - middle), 0), 28 - size)
    const y0 = place(down / total, rows), x0 = place(across / total, columns)
    mass.forEach((row, i) => row.forEach((one, j) => image[28 * (y0 + i) + x0 + j] = Math.min(one, 1)))
    return image
}

// Let a canvas be drawn on, by mouse, finger and keyboard. changed(strokes) is called at every move of a pen that is down.
const pad = (canvas, changed) => {
    const context = canvas.getContext("2d")
    let strokes = [], pen = [SIDE / 2, SIDE / 2], down = false, keyed = false, fresh = true
    const show = () => {
        drawn(context, strokes)
        if (!keyed && !down) return
        context.beginPath()
        context.arc(...pen, PEN / 2, 0, 7)
        context.lineWidth = 4
        context.strokeStyle = down ? "#e69f00" : "#56b4e9"
        context.stroke()
    }
    const lower = () => {
        if (fresh) strokes = []
        fresh = false
        down = true
        strokes.push([pen])
    }
    const moved = point => {
        pen = point.map(one => Math.min(Math.max(Math.round(one), 0), SIDE))
        if (down) strokes.at(-1).push(pen)
        show()
        if (down) changed(strokes)
    }
    const at = event => {
        const box = canvas.getBoundingClientRect()
        return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE]
    }
    const lift = () => {
        down = false
        show()
    }
    canvas.addEventListener("pointerdown", event => {
        canvas.setPointerCapture(event.pointerId)
        keyed = false
        pen = at(event)
        lower()
        moved(pen)
    })
    canvas.addEventListener("pointermove", event => down && !keyed && moved(at(event)))
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, lift)
    canvas.addEventListener("blur", () => {
        keyed = false
        lift()
    })
    const clear = () => {
        [strokes, down, fresh] = [[], false, false]
        show()
        changed(strokes)
    }
    const moves = {ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10]}
    canvas.addEventListener("keydown", event => {
        if (!(event.key in moves || [" ", "Delete", "Backspace"].includes(event.key))) return
        event.preventDefault()
        event.stopPropagation()
        keyed = true
        if (event.key === " ") {
            if (down) return lift()
            lower()
            moved(pen)
        } else if (event.key in moves) moved(pen.map((one, i) => one + moves[event.key][i]))
        else clear()
    })
    const set = given => {
        if (written(given) === written(strokes)) return
        [strokes, fresh] = [given, true]
        show()
    }
    return {set, clear}
}

// ---- The explorers: each builds its part of the page, and returns its usual values, what to compute for values, and how to show it ----

const KINDS = {
    digit: (part, {networks, examples}, id, set) => {
        part.innerHTML = `<div class="drawing"><canvas class="pad" width="${SIDE}" height="${SIDE}" tabindex="0" role="application"
            aria-label="Pad for a digit: arrow keys move the pen, Space lowers and lifts it, Delete clears"></canvas>
            <div class="tools">${chooser("digit", "Example", [["own", "your own"], ...examples.map((_, i) => [i, `a ${i}`])], id)}
            <button type="button" class="clear">Clear</button>${RESET}</div></div>
            ${control("epsilon", "ε", [0, 0.4], id)}
            <div class="answers">${networks.map(name => `<div class="answer"><canvas role="img" aria-label="Not computed yet"></canvas>
            <p><strong>${name.split("-")[1]}</strong> network<br><span class="before"></span><br><span class="after"></span></p></div>`).join("")}</div>`
        const own = pad(part.querySelector(".pad"), strokes => set({digit: "own", strokes: written(strokes)}))
        part.querySelector(".clear").onclick = own.clear
        const answers = [...part.querySelectorAll(".answer")]
        return {
            defaults: {digit: "7", strokes: "", epsilon: 0.2},
            networks,
            calls: ({digit: chosen, strokes, epsilon}) => {
                const lines = parsed(examples[chosen] ?? strokes)
                own.set(lines)
                return networks.map(name => ["attacked", name, digit(lines), {epsilon, steps: 7}])
            },
            show: (results, calls, {epsilon}) => {
                const [, , x] = calls[0], said = results.map(({before, y, after}, i) => {
                    const now = Live.argmax(after), words = [`${y} (${percent(before[y])})`, `${now} (${percent(after[now])})`]
                    const name = networks[i].split("-")[1]
                    paint(answers[i].querySelector("canvas"), sum(x, results[i].delta), [1, 28, 28], `The digit as attacked for the ${name} network`)
                    answers[i].querySelector(".before").textContent = `as drawn: ${words[0]}`
                    answers[i].querySelector(".after").textContent = `attacked: ${words[1]}`
                    answers[i].classList.toggle("fooled", now !== y)
                    return {name, words, fooled: now !== y, y}
                })
                if (!x.some(Boolean)) return "The pad is empty: draw a digit, or choose an example."
                const fooled = said.filter(one => one.fooled), sevens = said.every(one => one.y === 7)
                const who = ["No network is fooled", `The ${fooled[0]?.name} network is fooled`, "Both networks are fooled"][fooled.length]
                const won = fooled.length === 2 && sevens ? `, by a seven` : ""
                return `${who}${won}, at ε = ${epsilon}. ${said.map(({name, words}) => `${name}: ${words.join(", attacked ")}`).join("; ")}.`
            },
        }
    },
    panda: (part, {images}, id, set) => {
        const names = Object.keys(images), titles = ["x", "sign of the gradient", "x + δ"]
        part.innerHTML = `<div class="sliders">${chooser("network", "Network", names.map(one => [one, one]), id)}
            ${RESET}${control("epsilon", "ε", [0, 0.3], id)}${control("eta", "η", [0.005, 0.3], id)}</div>
            <div class="row">${titles.map(one => `<div><canvas role="img" aria-label="Not computed yet"></canvas><p>${one}<br><span></span></p></div>`).join("")}</div>`
        const canvases = part.querySelectorAll("canvas"), words = part.querySelectorAll(".row span")
        return {
            defaults: {network: names[0], epsilon: 0.1, eta: 0.1},
            networks: names,
            calls: ({network, epsilon, eta}) => {
                const {pixels, label} = images[network] ?? images[names[0]]
                return [["attacked", network, pixels, {as: label, epsilon, eta, steps: 5}], ["gradient", network, pixels, label]]
            },
            show: ([{y, before, delta, after}, {slope}], [[, network, x]], {epsilon, eta}) => {
                const {shape, categories} = images[network], now = Live.argmax(after), largest = Math.max(...delta.map(Math.abs))
                const one = (p, k) => `${categories[k]} (${percent(p[k])})`
                paint(canvases[0], x, shape, `The image: ${one(before, y)}`)
                paint(canvases[1], slope.map(value => 0.5 + Math.sign(value) / 2), shape, "The sign of the gradient, grey where it is 0")
                paint(canvases[2], sum(x, delta), shape, `The attacked image: ${one(after, now)}`)
                words[0].textContent = joined(one(before, Live.argmax(before)))
                words[2].textContent = joined(`largest |δ| ${largest.toFixed(3)}: ${one(after, now)}`)
                return `With ε = ${epsilon} and η = ${eta} the class is ${one(after, now)}; before it was ${one(before, y)}.`
            },
        }
    },
    mine: (part, {networks, image: {pixels, shape, categories}}, id, set, say) => {
        part.innerHTML = `<div class="sliders"><div class="control"><label for="${id}-file">Your picture</label>
            <input type="file" id="${id}-file" accept="image/jpeg,image/png,image/webp"></div>${control("epsilon", "255 ε", [0, 16], id)}${RESET}</div>
            <p class="key">Five steps of PGD lead away from each network's own answer. The picture stays on this device: this page can send nothing.</p>
            <div class="row">${["x, 32 × 32 pixels", ...networks.map(one => one.split("-")[1])].map(one => `<div><canvas role="img"
            aria-label="Not computed yet"></canvas><p>${one}<br><span></span></p></div>`).join("")}</div>`
        const canvases = part.querySelectorAll("canvas"), words = part.querySelectorAll(".row span"), file = part.querySelector("[type=file]")
        let x = pixels, chosen = 0
        file.addEventListener("change", async () => {
            const own = ++chosen
            try {
                const found = await pictured(file.files[0], shape[1])
                if (own !== chosen) return
                x = found
                set({})
            } catch (error) {
                say(error.message)
            }
        })
        part.querySelector(".reset").addEventListener("click", () => {
            chosen++
            x = pixels
            file.value = ""
        })
        return {
            defaults: {epsilon: 8},
            networks,
            stages: 2, // one step first, then five
            calls: ({epsilon}, stage) => networks.map(name => ["attacked", name, x, {epsilon: epsilon / 255, ...(stage ? {steps: 5} : {steps: 1, eta: epsilon / 255, keepBest: false})}]),
            show: (results, [[, , x]], {epsilon}, stage) => {
                paint(canvases[0], x, shape, "The picture as the networks see it")
                const said = results.map(({y, before, delta, after}, i) => {
                    const name = networks[i].split("-")[1], now = Live.argmax(after), one = (p, k) => `${categories[k]} (${percent(p[k])})`
                    paint(canvases[i + 1], sum(x, delta), shape, `The picture as attacked for the ${name} network: ${one(after, now)}`)
                    words[i + 1].innerHTML = joined(`${one(before, y)}<br>attacked: ${one(after, now)}`)
                    return `${name}: ${one(before, y)}, attacked: ${one(after, now)}`
                })
                return `A picture and two attacked copies of it, ε = ${epsilon}/255. ${said.join("; ")}${stage ? "" : " (after one step)"}`
            },
        }
    },
    ...CHARTED,
    moons: (part, {points, labels}, id) => {
        part.innerHTML = `<div class="sliders">${control("epsilon", "training ε", [0, 0.5], id)}${RESET}</div>
            <div class="planes">${["standard", "adversarial"].map(one => `<div><p>${one}</p><canvas role="img" aria-label="Not computed yet"></canvas></div>`).join("")}</div>
            <p class="key"><span class="first">●</span> class 0 <span class="second">■</span> class 1; the squares are balls of radius ε (this page trains networks of its own, from other first weights than the notebook)</p>`
        const canvases = [...part.querySelectorAll("canvas")], still = matchMedia("(prefers-reduced-motion: reduce)")
        let newest, learned = []
        return {
            defaults: {epsilon: 0.3},
            networks: ["standard", "adversarial"],
            network: one => {
                const theta = learned[["standard", "adversarial"].indexOf(one)]
                if (!theta) throw new Error(`a network is standard or adversarial, once it is trained, got ${one}`)
                return Live.planeNetwork(theta)
            },
            box: Live.BOXLESS,
            calls: ({epsilon}) => [0, epsilon].map(one => ["trained", `moons-${one ? "robust" : "standard"}`, points, labels, {epsilon: one, judge: epsilon}]),
            show: (results, _, {epsilon}) => {
                const own = newest = {}, last = results[0].history.length - 1
                learned = results.map(one => one.history[last])
                const texts = results.map(({clean, robust}) => `${percent(clean)} of the points right, ${percent(robust)} under attack`)
                canvases.forEach((canvas, i) => canvas.setAttribute("aria-label", `Decision regions on two moons: ${texts[i]}`))
                const draw = (frame, i) => { // the boundary moves as it trained; a newer training ends this one's film
                    if (own !== newest) return
                    regions(canvases[i], results[i].history[Math.min(4 * frame, last)], points, labels, epsilon)
                    if (i === 0 || 4 * frame < last) requestAnimationFrame(() => draw(frame + i, 1 - i)) // one plane at a time
                }
                draw(still.matches ? last : 0, 0)
                return `Trained at ε = ${epsilon}: ${texts[1]} of that size. Without an adversary: ${texts[0]}.`
            },
        }
    },
}

// Draw the sign of a network in the plane, 50 pixels a unit, and the points on it, some of them with their balls.
const regions = (canvas, theta, points, labels, epsilon) => {
    const [left, top, wide, tall, unit] = [-1.6, 1.6, 210, 140, 50], image = new ImageData(wide, tall), scale = 3
    const field = Live.twoLayerField(theta, [left, top], [wide, tall], unit), first = [169, 211, 234], second = [246, 199, 163]
    for (let i = 0; i < wide * tall; i++) for (let j = 0; j < 3; j++) image.data[4 * i + j] = (field[i] > 0 ? first : second)[j]
    for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255
    const small = new OffscreenCanvas(wide, tall), context = canvas.getContext("2d")
    small.getContext("2d").putImageData(image, 0, 0)
    if (canvas.width !== scale * wide) Object.assign(canvas, {width: scale * wide, height: scale * tall})
    context.drawImage(small, 0, 0, canvas.width, canvas.height)
    points.forEach(([p, q], i) => {
        const x = scale * unit * (p - left), y = scale * unit * (top - q), r = 5, ball = scale * unit * epsilon
        context.strokeStyle = context.fillStyle = labels[i] < 0 ? "#b84a00" : "#005a91"
        context.beginPath()
        labels[i] < 0 ? context.arc(x, y, r, 0, 7) : context.rect(x - r, y - r, 2 * r, 2 * r)
        context.fill()
        if (i % 25 === 0) context.strokeRect(x - ball, y - ball, 2 * ball, 2 * ball)
    })
}

const BESIDE = ["planes"] // explorers whose frames show more than one network, and stay

// ---- One explorer: its controls, the newest values only, a sentence when they rest ----

const begin = figure => {
    const name = figure.dataset.live, beside = BESIDE.includes(name)
    if (slides && beside) return // its page has room for one
    const id = `live-${name}`, frames = document.createElement("div"), part = document.createElement("div")
    const sentence = Object.assign(document.createElement("p"), {className: "sentence"})
    const status = Object.assign(document.createElement("p"), {className: "unseen"})
    status.setAttribute("role", "status")
    frames.className = "frames"
    part.className = "live"
    frames.append(...figure.childNodes)
    figure.append(part, frames)
    figure.className = beside ? "computing beside" : "computing"
    const failed = error => {
        figure.className = "explorer"
        part.replaceChildren(sentence)
        sentence.textContent = `This page cannot compute (${error.message}). ${frames.firstChild ? "It shows pictures that were computed before." : ""}`
    }
    let kind, values, seen = false, busy = false, next = false, timer
    const refresh = async () => {
        if (!seen) return
        if (busy) return next = true
        busy = true
        figure.setAttribute("aria-busy", "true")
        try {
            do {
                next = false
                const own = {...values}
                for (let stage = 0; stage < (kind.stages ?? 1) && !next; stage++) { // a later one is better, and takes longer
                    const calls = kind.calls(own, stage), results = await Promise.all(calls.map(compute))
                    sentence.textContent = kind.show(results, calls, own, stage)
                    figure.dispatchEvent(new CustomEvent("shown", {detail: own}))
                }
            } while (next)
        } catch (error) {
            failed(error)
        }
        busy = false
        figure.setAttribute("aria-busy", "false")
        clearTimeout(timer)
        timer = setTimeout(() => {
            status.textContent = sentence.textContent
            remember(name, values, kind.defaults)
        }, 400)
    }
    const typedOf = input => part.querySelector(`.typed[data-key=${input.dataset.key}]`)
    const set = given => {
        values = {...values, ...given}
        for (const input of part.querySelectorAll("[data-key]")) {
            const value = values[input.dataset.key], log = "log" in input.dataset
            if (log) input.setAttribute("aria-valuetext", value)
            if (log && exponential(input, typedOf(input)) === value) continue
            if (input !== document.activeElement || input.type !== "number") input.value = log ? Math.log10(value) : value
        }
        refresh()
    }
    try {
        const say = text => sentence.textContent = status.textContent = text
        kind = KINDS[name](part, stored()[name], id, set, say)
        part.append(sentence, status)
        for (const input of part.querySelectorAll("[data-key]")) {
            if (slides) input.addEventListener("pointerup", () => input.type === "range" && input.blur()) // keys turn pages again
            input.addEventListener("input", () => {
                const good = input.type === "range" || (input.value !== "" && input.checkValidity()) // its ends are rounded
                good ? input.removeAttribute("aria-invalid") : input.setAttribute("aria-invalid", "true")
                const value = () => "log" in input.dataset ? exponential(input, typedOf(input)) : Number(input.value)
                if (good) return set({[input.dataset.key]: input.tagName === "SELECT" ? input.value : value()})
                const number = input.step === "1" ? "whole number" : "number"
                say(`${input.ariaLabel.split(",")[0]} is a ${number} from ${input.min} to ${input.max}.`)
            })
        }
        part.querySelector(".reset").addEventListener("click", () => set(kind.defaults))
        const restore = () => set(remembered(name, part, kind.defaults))
        addEventListener("hashchange", restore)
        restore()
        const near = new IntersectionObserver(entries => { // what nobody sees is not computed
            if (!entries.some(one => one.isIntersecting)) return
            near.disconnect()
            seen = true
            refresh()
        }, {rootMargin: "50%"})
        near.observe(figure)
    } catch (error) {
        return failed(error)
    }
    const loaded = {}, network = one => kind.network?.(one) ?? (loaded[one] ??= Live.load(stored().networks[one]))
    window.lecture ??= {live: {}}
    window.lecture.live[name] = {
        networks: kind.networks,
        logits: (one, pixels) => Array.from(Live.logits(network(one), pixels)),
        gradient: (one, pixels, label) => Array.from(Live.gradient(network(one), pixels, label).slope),
        attack: (one, pixels, label, options) => Array.from(Live.pgd(network(one), pixels, label, {...kind.box, ...options})),
    }
}

document.querySelectorAll("[data-live]").forEach(begin)
