// Section 2: the network of Theorem 1, as robustness.py has it. Section 3: random networks and one step along their gradient, as
// initialization.py and concentration.py have it. The random numbers are those of the notebooks.

// ---- Theorem 1: points on the sphere of radius root d, labels 1, -1, 1, ... ----

const inner = (a, b) => a.reduce((sum, one, i) => sum + one * b[i], 0)

const sphere = (m, d, {normal}) => {
    const all = normal(m * d)
    return Array.from({length: m}, (_, i) => {
        const row = all.subarray(i * d, (i + 1) * d), scale = Math.sqrt(d / inner(row, row))
        return row.map(one => scale * one)
    })
}

// Return the distance, in units of root d, at which an opposite neuron overcomes that of x_i; r: <x_i, x_j> / d. For c up to 1/3
// nothing flips earlier, and there f has the wrong sign (notebook 2); above, other neurons may help or hinder.
const strictFlip = (r, c) => r >= -(1 - c) / 2 ? Math.sqrt((1 + c) ** 2 / (2 * (1 + r)) - c) : (1 + c) / 2 - r

// Return what the network f(x) = sum_j y_j max(2 <x_j, x> / (d (1 - c)) - (1 + c) / (1 - c), 0) says around the first of m points:
// its values on a grid of the plane, from 0.8 root d to the left and 0.9 up to 1.7 to the right and 0.8 down, toward the nearest
// opposite point and across; the radii; the coherence c; and this in words.
const built = ({epsilon, d, share}, seed, unit = 80) => {
    const m = Math.max(2, Math.floor(d / share)), X = sphere(m, d, generator(seed))
    const products = X.map(one => inner(one, X[0]) / d), opposite = products.filter((_, j) => j % 2)
    let c = 0
    X.forEach((one, i) => X.slice(0, i).forEach(other => c = Math.max(c, Math.abs(inner(one, other)) / d)))
    const zero = (1 - c) / 2, strict = Math.min(...opposite.map(r => strictFlip(r, c)))
    const near = X[argmax(products.map((r, j) => (j % 2 ? r : -Infinity)))], root = Math.sqrt(d)
    const toward = near.map((one, i) => one - X[0][i]), neighbour = Math.sqrt(inner(toward, toward))
    const first = toward.map(one => one / neighbour), along = inner(first, X[0])
    const rest = first.map((one, i) => along * one - X[0][i]), size = Math.sqrt(inner(rest, rest)) // the way to f = 0 is -x
    const speeds = X.map(one => [inner(first, one) / root, inner(rest, one) / size / root])
    const theta = [speeds.flat().map(one => 2 * one / (1 - c)), products.map(r => (2 * r - 1 - c) / (1 - c)), X.map((_, j) => (j % 2 ? -1 : 1))]
    const [wide, tall] = [2.5 * unit, 1.7 * unit], field = twoLayerField(theta.flat(), [-0.8, 0.9], [wide, tall], unit)
    const within = epsilon >= strict ? "a wrong sign" : "no wrong sign"
    const proved = c <= 1 / 3 ? "" : "; above a coherence of 1/3 this formula is no proof"
    const text = `d = ${d}, m = ${m}, coherence ${c.toFixed(2)}, ε = ${epsilon.toFixed(2)} √d. Theorem 1's network: ` +
        `f = 0 at ${zero.toFixed(2)} √d, the wrong sign at ${strict.toFixed(2)} √d (${within} within ε${proved}).`
    return {field, wide, tall, zero, strict, neighbour: neighbour / root, c, text}
}

// ---- One step: n networks of width k, without their weights ----

// erfc by a Chebyshev fit, to 1.2e-7 of its size (Press et al., Numerical Recipes).
const FIT = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277]
const erf = x => {
    const t = 1 / (1 + Math.abs(x) / 2), rest = t * Math.exp(-x * x + FIT.reduceRight((sum, one) => sum * t + one, 0))
    return Math.sign(x) * Math.max(1 - rest, 0)
}
const normalShare = x => (1 + erf(x / Math.SQRT2)) / 2
const density = x => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)
const tanh = x => 1 - 2 / (Math.exp(2 * x) + 1)

const ACTIVATIONS = {
    GELU: {sigma: x => x * normalShare(x), derivative: x => normalShare(x) + x * density(x)},
    ReLU: {sigma: x => Math.max(x, 0), derivative: x => (x > 0 ? 1 : 0)},
    tanh: {sigma: tanh, derivative: x => 1 - tanh(x) ** 2},
}

// Return log Gamma(s) by Stirling's series.
const logGamma = s => s < 9 ? logGamma(s + 1) - Math.log(s)
    : (s - 0.5) * Math.log(s) - s + Math.log(2 * Math.PI) / 2 + 1 / (12 * s) - 1 / (360 * s ** 3) + 1 / (1260 * s ** 5)

// Return P(s, x), the share of the Gamma law of shape s below x, from its series or, beyond s + 1, its continued fraction.
const gammaShare = (s, x, log = logGamma(s)) => {
    const front = Math.exp(s * Math.log(x) - x - log)
    if (x < s + 1) {
        let term = 1 / s, sum = term
        for (let n = s + 1; term > 1e-15 * sum; n++) sum += term *= x / n
        return front * sum
    }
    let b = x + 1 - s, c = 1e300, d = 1 / b, fraction = d, factor = 0
    for (let i = 1; Math.abs(factor - 1) > 1e-15; i++) {
        b += 2
        d = 1 / (b - i * (i - s) * d)
        c = b - i * (i - s) / c
        fraction *= factor = c * d
    }
    return 1 - front * fraction
}

// Return the x below which this share of the Gamma law of shape s lies, by Newton's steps on log x, kept between bounds.
const gammaQuantile = (s, share) => {
    const log = logGamma(s)
    let low = -800, high = Math.log(s + 40 * Math.sqrt(s) + 100), y = Math.log(s)
    for (let step = 0; step < 200; step++) {
        const x = Math.exp(y), over = gammaShare(s, x, log) - share
        over > 0 ? high = y : low = y
        let next = y - over / Math.exp(s * y - x - log)
        if (!(next > low && next < high)) next = (low + high) / 2
        if (Math.abs(next - y) < 1e-13) return Math.exp(next)
        y = next
    }
    return Math.exp(y)
}

// Return {a, u, t}: the signs of n networks of width k, their pre-activations and their speeds along the gradient, network after
// network. Given a and u the speeds are Gaussian, once the length of the gradient across x is drawn. (Proof of Theorem 3.)
const sampled = ({k, d, activation}, n, seed) => {
    const {bits, uniform, normal} = generator(seed), {derivative} = ACTIVATIONS[activation]
    const a = filled(n * k, () => 2 * (bits() & 1) - 1), u = normal(n * k)
    const heights = uniform(n).map(one => (d > 1 ? 2 * gammaQuantile((d - 1) / 2, one) / d : 0)), t = normal(n * k), c = new Float64Array(k)
    for (let i = 0; i < n; i++) {
        const from = i * k
        let square = 0, along = 0, noise = 0
        for (let j = 0; j < k; j++) {
            c[j] = a[from + j] * derivative(u[from + j])
            square += c[j] ** 2
            along += c[j] * u[from + j]
            noise += c[j] * t[from + j]
        }
        const length = Math.max(Math.sqrt(square), 1e-300), spread = Math.sqrt(heights[i] / d)
        for (let j = 0; j < k; j++) {
            const direction = c[j] / length, across = t[from + j] - direction * noise / length
            t[from + j] = u[from + j] * along / k ** 0.5 / d + length / Math.sqrt(k) * (direction * heights[i] + across * spread)
        }
    }
    return {a, u, t}
}

// Return f(x + eta grad f(x)) of each network.
const outputs = ({a, u, t}, k, activation, eta) => {
    const {sigma} = ACTIVATIONS[activation]
    return filled(a.length / k, i => {
        let sum = 0
        for (let j = i * k; j < (i + 1) * k; j++) sum += a[j] * sigma(u[j] + eta * t[j])
        return sum / Math.sqrt(k)
    })
}

const NUMBERS = 1e6
let known = {}

// Return f of n networks, f after the step as printed and with its sign repaired, the curves of the shares that flip, for step
// sizes etas, and this in words. n: count, fewer where they would be more than a million neurons together.
const oneStep = ({eta, k, d, activation}, {seed, count, moments}, etas) => {
    const key = [k, d, activation, seed].join(), n = Math.min(count, Math.floor(NUMBERS / k))
    if (known.key !== key) known = {key, drawn: sampled({k, d, activation}, n, seed), values: new Map()}
    const {drawn, values} = known, at = size => {
        if (values.has(size)) return values.get(size)
        const found = outputs(drawn, k, activation, size)
        if (Number.isInteger(size)) values.set(size, found) // the curve's, needed again when eta moves
        return found
    }
    const f = at(0), [v0, v1] = moments[activation], flipped = after => after.filter((one, i) => one * f[i] < 0).length / n
    const taken = size => {
        const ahead = at(size), back = at(-size), right = ahead.map((one, i) => (f[i] > 0 ? back[i] : one))
        return {ahead, right, shares: [erf(Math.max(size, 0) * v1 / Math.sqrt(2 * v0)), flipped(ahead), flipped(right)]}
    }
    const {ahead, right, shares} = taken(eta), [limit, printed, repaired] = shares.map(one => `${(100 * one).toFixed(1)}%`)
    const text = `${activation}, k = ${k}, d = ${d}, η = ${Number(eta.toFixed(2))}: ${printed} of the networks flip as printed, ` +
        `${repaired} with the sign repaired; the limit is ${limit}.`
    return {n, samples: [f, ahead, right], curves: etas.map(one => taken(one).shares), shares, text}
}
