// The networks of the lecture and the attacks on them, as networks.py and attacks.py have them: one image at a time, numbers in
// double precision. An image x is a flat array (c, h, w) of pixels in [0, 1], y its label, counted from 0. It needs no page.

// ---- Tensors: a safetensors file in half precision, as base64 ----

const decoded = text => Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), one => one.charCodeAt(0))

// Return the number that 16 bits stand for: a sign, 5 bits of exponent, 10 bits of fraction.
const half = bits => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023
    if (exponent === 31) throw new Error("a weight is infinite or no number")
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction
}

// Return {name: {shape, values}}. Throws where a tensor is cut short or of another type.
const tensors = text => {
    const bytes = decoded(text), view = new DataView(bytes.buffer), first = 8 + Number(view.getBigUint64(0, true)), found = {}
    for (const [name, {dtype, shape, data_offsets: [start, end]}] of Object.entries(JSON.parse(ascii(bytes.subarray(8, first))))) {
        const count = shape.reduce((all, one) => all * one, 1)
        if (dtype !== "F16" || end - start !== 2 * count) throw new Error(`${name} is no tensor of ${count} half precision numbers`)
        found[name] = {shape, values: Float64Array.from({length: count}, (_, i) => half(view.getUint16(first + start + 2 * i, true)))}
    }
    return found
}
const ascii = bytes => Array.from(bytes, one => String.fromCharCode(one)).join("")

// ---- Layers: forward(x) keeps what backward(slope) needs, which takes the loss's slope in the output to that in the input ----

// Return A B for matrices (m, k) and (k, n), flat, row after row; four rows and two columns at a time, since loads are what costs.
const product = (A, B, m, k, n) => {
    const C = new Float64Array(m * n)
    for (let i = 0; i < m; i += 4) {
        const i1 = Math.min(i + 1, m - 1), i2 = Math.min(i + 2, m - 1), i3 = Math.min(i + 3, m - 1) // a last row again and again
        for (let j = 0; j < n; j += 2) {
            const next = j + 1 < n ? 1 : 0
            let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0
            for (let l = 0, at = j; l < k; l++, at += n) {
                const u = B[at], v = B[at + next], w = A[i * k + l], x = A[i1 * k + l], y = A[i2 * k + l], z = A[i3 * k + l]
                a += w * u, b += w * v, c += x * u, d += x * v, e += y * u, f += y * v, g += z * u, h += z * v
            }
            C[i3 * n + j + next] = h, C[i3 * n + j] = g, C[i2 * n + j + next] = f, C[i2 * n + j] = e
            C[i1 * n + j + next] = d, C[i1 * n + j] = c, C[i * n + j + next] = b, C[i * n + j] = a
        }
    }
    return C
}
const transposed = (A, m, n) => Float64Array.from(A, (_, i) => A[(i % m) * n + Math.floor(i / m)])

// Return scale x + shift, where each channel, of so many numbers, has its own.
const scaled = (x, area, scale, shift) => {
    const y = new Float64Array(x.length)
    for (let i = 0; i < x.length; i += area) {
        const a = scale[i / area], b = shift[i / area]
        for (let j = i; j < i + area; j++) y[j] = a * x[j] + b
    }
    return y
}

// The same as a layer, for an output of this shape.
const affine = (shape, scale, shift) => {
    const area = shape[1] * shape[2], nothing = scale.map(() => 0)
    return {shape, forward: x => scaled(x, area, scale, shift), backward: slope => scaled(slope, area, scale, nothing)}
}

// The largest x of each window; windows: for each output the places of its inputs.
const largest = (shape, windows, size) => {
    let chosen
    return {
        shape,
        forward: x => {
            chosen = windows.map(places => places.reduce((best, one) => (x[one] > x[best] ? one : best)))
            return Float64Array.from(chosen, one => x[one])
        },
        backward: slope => {
            const before = new Float64Array(size)
            chosen.forEach((one, i) => before[one] += slope[i])
            return before
        },
    }
}

// What each layer does, given its description, the tensors, and the shape (c, h, w) of its input.
const LAYERS = {
    Normalize: ({mean, std}, _, shape) => affine(shape, std.map(one => 1 / one), mean.map((one, i) => -one / std[i])),
    BatchNorm2d: ({name, eps}, stored, shape) => {
        const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(one => stored[`${name}.${one}`].values)
        const scale = weight.map((one, i) => one / Math.sqrt(variance[i] + eps))
        return affine(shape, scale, bias.map((one, i) => one - scale[i] * mean[i]))
    },
    ReLU: (_, __, shape) => {
        let y
        return {
            shape,
            forward: x => {
                y = new Float64Array(x.length)
                for (let i = 0; i < x.length; i++) y[i] = Math.max(x[i], 0)
                return y
            },
            backward: slope => {
                const before = new Float64Array(slope.length)
                for (let i = 0; i < slope.length; i++) before[i] = y[i] > 0 ? slope[i] : 0
                return before
            },
        }
    },
    SiLU: (_, __, shape) => {
        let x, share
        return {
            shape,
            forward: given => (x = given, share = x.map(one => 1 / (1 + Math.exp(-one))), x.map((one, i) => one * share[i])),
            backward: slope => slope.map((one, i) => one * share[i] * (1 + x[i] * (1 - share[i]))),
        }
    },
    Flatten: (_, __, shape) => ({shape: [shape.reduce((all, one) => all * one), 1, 1], forward: x => x, backward: slope => slope}),
    Linear: ({name}, stored, shape) => {
        const {shape: [rows, columns], values: W} = stored[`${name}.weight`], b = stored[`${name}.bias`].values
        fits(name, columns, shape[0])
        const back = transposed(W, rows, columns)
        return {
            shape: [rows, 1, 1],
            forward: x => product(W, x, rows, columns, 1).map((one, i) => one + b[i]),
            backward: slope => product(back, slope, columns, rows, 1),
        }
    },
    // A product of matrices: the filters, one a row, by the patches, one a column. Outside the image stands a zero, at place c h w.
    Conv2d: ({name, stride, padding}, stored, [c, h, w]) => {
        const {shape: [filters, channels, height, width], values: W} = stored[`${name}.weight`], b = stored[`${name}.bias`]?.values
        fits(name, channels, c)
        const patch = c * height * width, down = Math.floor((h + 2 * padding - height) / stride) + 1
        const across = Math.floor((w + 2 * padding - width) / stride) + 1, area = down * across, outside = c * h * w
        const places = Int32Array.from({length: patch * area}, (_, at) => {
            const part = Math.floor(at / area), spot = at % area, channel = Math.floor(part / (height * width))
            const i = Math.floor(spot / across) * stride - padding + Math.floor(part / width) % height
            const j = (spot % across) * stride - padding + part % width
            return i < 0 || j < 0 || i >= h || j >= w ? outside : (channel * h + i) * w + j
        })
        const back = transposed(W, filters, patch), padded = new Float64Array(outside + 1), patches = new Float64Array(patch * area)
        const ones = new Float64Array(filters).fill(1)
        return {
            shape: [filters, down, across],
            forward: x => {
                padded.set(x)
                for (let at = 0; at < places.length; at++) patches[at] = padded[places[at]]
                const y = product(W, patches, filters, patch, area)
                return b ? scaled(y, area, ones, b) : y
            },
            backward: slope => {
                const parts = product(back, slope, patch, filters, area), before = new Float64Array(outside + 1)
                for (let at = 0; at < places.length; at++) before[places[at]] += parts[at]
                return before.subarray(0, outside)
            },
        }
    },
    MaxPool2d: ({size}, _, [c, h, w]) => {
        const down = Math.floor(h / size), across = Math.floor(w / size), square = [...Array(size * size).keys()]
        const windows = Array.from({length: c * down * across}, (_, at) => {
            const first = (Math.floor(at / (down * across)) * h + Math.floor(at / across) % down * size) * w + at % across * size
            return square.map(one => first + Math.floor(one / size) * w + one % size)
        })
        return largest([c, down, across], windows, c * h * w)
    },
    AdaptiveMaxPool2d: (_, __, [c, h, w]) => // to one number a channel
        largest([c, 1, 1], Array.from({length: c}, (_, channel) => Array.from({length: h * w}, (_, i) => channel * h * w + i)), c * h * w),
    AdaptiveAvgPool2d: (_, __, [c, h, w]) => ({ // the same with means
        shape: [c, 1, 1],
        forward: x => Float64Array.from({length: c}, (_, channel) =>
            x.subarray(channel * h * w, (channel + 1) * h * w).reduce((sum, one) => sum + one) / (h * w)),
        backward: slope => Float64Array.from({length: c * h * w}, (_, i) => slope[Math.floor(i / (h * w))] / (h * w)),
    }),
    Halving: ({halve, refine, activation}, stored, shape) => {
        const main = chain(halve, stored, shape), [side, end] = [refine, activation].map(one => chain(one, stored, main.shape))
        const plus = (a, b) => a.map((one, i) => one + b[i])
        return {
            shape: main.shape,
            forward: x => (x = main.forward(x), end.forward(plus(x, side.forward(x)))),
            backward: slope => (slope = end.backward(slope), main.backward(plus(slope, side.backward(slope)))),
        }
    },
}

const fits = (name, wanted, given) => {
    if (wanted !== given) throw new Error(`${name} takes ${wanted} numbers a place, and is given ${given}`)
}

const chain = (descriptions, stored, shape) => {
    const layers = []
    for (const one of descriptions) {
        layers.push(LAYERS[one.layer](one, stored, shape))
        shape = layers.at(-1).shape
    }
    return {
        shape,
        forward: x => layers.reduce((value, one) => one.forward(value), x),
        backward: slope => layers.reduceRight((value, one) => one.backward(value), slope),
    }
}

// Return a network, given its layers, the shape of its images, and its weights. Throws where they do not fit.
const load = ({layers, shape, categories, weights}) => {
    const network = {...chain(layers, tensors(weights), shape), size: shape.reduce((all, one) => all * one), categories}
    const [classes] = network.shape
    if (classes !== categories.length) throw new Error(`${classes} logits for ${categories.length} classes`)
    return network
}

// ---- Loss ----

const logits = (network, x) => {
    if (x.length !== network.size) throw new Error(`an image has ${network.size} pixels, got ${x.length}`)
    const f = network.forward(Float64Array.from(x))
    if (!f.every(Number.isFinite)) throw new Error("the logits are no numbers: is a pixel none?")
    return f
}

// The place of the largest number. Not by indexOf: in Firefox it leaves some processors of Intel's in a state in which every later
// product and sum of this thread takes 50 times as long.
const argmax = f => f.reduce((best, one, i) => (one > f[best] ? i : best), 0)

const softmax = f => {
    const top = Math.max(...f), parts = f.map(one => Math.exp(one - top)), sum = parts.reduce((all, one) => all + one)
    return parts.map(one => one / sum)
}

// Return log(sum_j exp(f_j)) - f_y and its slope in f, as -log sigmoid(log-odds): nothing cancels where the network is confident.
const crossEntropy = (f, y) => {
    if (!Number.isInteger(y) || y < 0 || y >= f.length) throw new Error(`a label is one of 0 to ${f.length - 1}, got ${y}`)
    const others = f.map((one, j) => (j === y ? -Infinity : one)), top = Math.max(...others)
    const odds = f[y] - top - Math.log(others.reduce((sum, one) => sum + Math.exp(one - top), 0))
    const wrong = odds > 0 ? Math.exp(-odds) / (1 + Math.exp(-odds)) : 1 / (1 + Math.exp(odds)) // 1 - p_y
    return {
        value: Math.log1p(Math.exp(-Math.abs(odds))) + Math.max(-odds, 0),
        slope: softmax(others).map((one, j) => (j === y ? -wrong : wrong * one)),
    }
}

const loss = (network, x, y) => {
    const f = logits(network, x)
    return {f, ...crossEntropy(f, y)}
}

const gradient = (network, x, y) => {
    const {f, value, slope} = loss(network, x, y)
    return {f, value, slope: network.backward(slope)}
}

// ---- Attacks: each returns delta, inside the ball |delta| <= epsilon and the box low <= x + delta <= high ----

const fgsm = (network, x, y, epsilon) => pgd(network, x, y, {epsilon, eta: epsilon, steps: 1, keepBest: false})

// Projected gradient ascent. eta: step size; null decreases from 2 epsilon to 0 along a cosine. direction: "sign" steps by
// eta sign(slope), "gradient" by eta slope. keepBest: return the best iterate of all: one that fools is better than one that does
// not, then the higher loss counts. watch: called with every iterate that is looked at.
const pgd = (network, x, y, options) => {
    const {epsilon, eta = null, steps = 40, direction = "sign", keepBest = true, low = 0, high = 1, watch = () => {}} = options
    if (!(epsilon >= 0 && epsilon < 2)) throw new Error(`epsilon is a number from 0 to 2, in units of pixels, got ${epsilon}`)
    if (!(eta === null || (eta >= 0 && eta < Infinity))) throw new Error(`eta is a number >= 0 or null, got ${eta}`)
    if (!(Number.isInteger(steps) && steps > 0)) throw new Error(`steps is an integer >= 1, got ${steps}`)
    x = Float64Array.from(x)
    if (!x.every(one => one >= low && one <= high)) throw new Error(`pixels lie between ${low} and ${high}`)
    const lower = x.map(one => Math.max(low - one, -epsilon)), upper = x.map(one => Math.min(high - one, epsilon))
    const along = direction === "sign" ? Math.sign : one => one
    let delta = new Float64Array(x.length), best = null
    for (let step = 0; step <= steps; step++) {
        if (step === steps && !keepBest) return delta
        const look = step < steps ? gradient : loss, {f, value, slope} = look(network, x.map((one, i) => one + delta[i]), y)
        const fools = argmax(f) !== y
        watch(delta, value, fools)
        if (!best || (fools === best.fools ? value > best.value : fools)) best = {delta, value, fools}
        if (step === steps) return best.delta
        const size = eta ?? epsilon * (1 + Math.cos(Math.PI * step / steps))
        delta = delta.map((one, i) => Math.min(Math.max(one + size * along(slope[i]), lower[i]), upper[i]))
    }
}

const BOXLESS = {low: -Infinity, high: Infinity}

// ---- What a page asks for ----

// Return the iterates of PGD from the origin of the plane by gradients and by signs; how far one step by the gradient ends from
// the corner, for step sizes etas and for eta; from which step size on it ends there; and this in words.
const ascents = (network, {epsilon, eta, steps}, etas) => {
    const origin = [0, 0], options = {...BOXLESS, epsilon, keepBest: false}
    const path = direction => {
        const found = [], watch = delta => found.push(Array.from(delta))
        const last = pgd(network, origin, 1, {...options, eta, steps, direction, watch})
        return [...found, Array.from(last)]
    }
    const missed = size => {
        const delta = pgd(network, origin, 1, {...options, eta: size, steps: 1, direction: "gradient"})
        return Math.max(...delta.map(one => Math.abs(one - epsilon)))
    }
    const paths = ["gradient", "sign"].map(path), {slope} = gradient(network, origin, 1)
    const threshold = epsilon / Math.min(...slope.map(Math.abs)), end = paths[0].at(-1).map(one => one.toFixed(2)).join(", ")
    const text = `ε = ${epsilon.toFixed(2)}, η = ${eta.toFixed(2)}: after ${steps} steps the gradient iterate is at (${end}). ` +
        `One step reaches the corner from η* = ${threshold.toFixed(2)} on.`
    return {paths, curve: etas.map(missed), now: missed(eta), threshold, text}
}

// Return what a network says of x, the attack on its answer y, and what it says of x + delta. as, if given, is y.
const attacked = (network, x, {as, ...options}) => {
    const before = softmax(logits(network, x)), y = as ?? argmax(before), delta = pgd(network, x, y, options)
    return {y, before, delta, after: softmax(logits(network, delta.map((one, i) => x[i] + one)))}
}

// Answer what a scope, such as a worker, is sent: {number, given: a network to load, if not yet, task, arguments}.
const serve = scope => {
    const tasks = {logits, gradient, fgsm, pgd, attacked, ascents, trained: (_, ...rest) => trained(...rest), built: (_, ...rest) => built(...rest), oneStep: (_, ...rest) => oneStep(...rest)}
    let network
    scope.onmessage = ({data: {number, given, task, rest}}) => {
        try {
            if (given) network = load(given)
            scope.postMessage({number, result: tasks[task](network, ...rest)})
        } catch (error) {
            scope.postMessage({number, error: error.message})
        }
    }
}
