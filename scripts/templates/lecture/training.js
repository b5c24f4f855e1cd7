// Training a network with one hidden layer in the plane, f(x) = sum_j a_j max(w_j . x + b_j, 0), as training.py does: Adam with a
// one-cycle step size, PGD from a random start as the adversary. Its numbers theta are w_1, ..., w_k, then b, then a. A label y is
// -1 or 1, the loss is log(1 + exp(-y f(x))).

// Return a function that draws numbers from [0, 1), the same ones for the same seed (mulberry32).
const dice = seed => () => {
    seed = (seed + 0x6D2B79F5) | 0
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
}

const twoLayer = (theta, [p, q]) => {
    const k = theta.length / 4
    let f = 0
    for (let j = 0; j < k; j++) f += theta[3 * k + j] * Math.max(theta[2 * j] * p + theta[2 * j + 1] * q + theta[2 * k + j], 0)
    return f
}

// Return f on a grid of the plane, row after row from the top: wide x tall points, so many a unit of length, from a corner on.
const twoLayerField = (theta, [left, top], [wide, tall], unit) => {
    const k = theta.length / 4, field = new Float64Array(wide * tall)
    for (let j = 0; j < k; j++) {
        const step = theta[2 * j] / unit, a = theta[3 * k + j]
        for (let row = 0; row < tall; row++) {
            let u = theta[2 * j] * (left + 0.5 / unit) + theta[2 * j + 1] * (top - (row + 0.5) / unit) + theta[2 * k + j]
            for (let at = row * wide; at < (row + 1) * wide; at++, u += step) if (u > 0) field[at] += a * u
        }
    }
    return field
}

// Return the slope of the loss in x, given the one in f, and add the one in theta to ``slopes``, if they are given.
const twoLayerBack = (theta, [p, q], slope, slopes) => {
    const k = theta.length / 4
    let down = 0, across = 0
    for (let j = 0; j < k; j++) {
        const u = theta[2 * j] * p + theta[2 * j + 1] * q + theta[2 * k + j], inner = slope * theta[3 * k + j]
        if (u <= 0) continue
        down += inner * theta[2 * j]
        across += inner * theta[2 * j + 1]
        if (!slopes) continue
        slopes[2 * j] += inner * p
        slopes[2 * j + 1] += inner * q
        slopes[2 * k + j] += inner
        slopes[3 * k + j] += slope * u
    }
    return [down, across]
}

const twoLayerSlope = (theta, x, y, slopes) => twoLayerBack(theta, x, -y / (1 + Math.exp(y * twoLayer(theta, x))), slopes)

// Return the same as a network with two logits, 0 and f, for the attacks of live.js.
const planeNetwork = theta => {
    let x
    return {size: 2, forward: given => [0, twoLayer(theta, x = given)], backward: ([, slope]) => twoLayerBack(theta, x, slope)}
}

// Return the last iterate of PGD in the ball |delta| <= epsilon, without a box.
const twoLayerAttack = (theta, x, y, {epsilon, steps, eta = 2.5 * epsilon / steps, start = [0, 0]}) => {
    let delta = start
    for (let step = 0; step < steps; step++) {
        const slope = twoLayerSlope(theta, x.map((one, i) => one + delta[i]), y)
        delta = delta.map((one, i) => Math.min(Math.max(one + eta * Math.sign(slope[i]), -epsilon), epsilon))
    }
    return delta
}

// Return the share of the points that are right, attacked with this epsilon or not.
const right = (theta, points, labels, epsilon) => points.filter((x, i) => {
    const delta = epsilon ? twoLayerAttack(theta, x, labels[i], {epsilon, steps: 20}) : [0, 0]
    return labels[i] * twoLayer(theta, x.map((one, j) => one + delta[j])) > 0
}).length / points.length

// Return theta after every epoch, and what the last one has learned. judge: the epsilon of the attack on it.
const trained = (points, labels, {epsilon, judge, epochs = 60, k = 32, rate = 0.05, batch = 100, seed = 0}) => {
    const random = dice(seed), uniform = size => (2 * random() - 1) * size
    const theta = Float64Array.from({length: 4 * k}, (_, i) => uniform(1 / Math.sqrt(i < 3 * k ? 2 : k)))
    const mean = theta.map(() => 0), square = theta.map(() => 0), order = points.map((_, i) => i), history = []
    let step = 0
    for (let epoch = 0; epoch < epochs; epoch++) {
        for (let i = order.length - 1; i > 0; i--) {
            const j = Math.floor(random() * (i + 1));
            [order[i], order[j]] = [order[j], order[i]]
        }
        for (let first = 0; first < order.length; first += batch) {
            const share = (epoch + first / order.length) / epochs, slopes = theta.map(() => 0), chosen = order.slice(first, first + batch)
            for (const i of chosen) {
                const start = [uniform(epsilon), uniform(epsilon)]
                const delta = epsilon ? twoLayerAttack(theta, points[i], labels[i], {epsilon, steps: 7, start}) : [0, 0]
                twoLayerSlope(theta, points[i].map((one, j) => one + delta[j]), labels[i], slopes)
            }
            const size = rate * Math.min(share / 0.3, (1 - share) / 0.7) // one cycle: up, then down
            step++
            theta.forEach((_, i) => { // Adam
                const slope = slopes[i] / chosen.length
                mean[i] += 0.1 * (slope - mean[i])
                square[i] += 0.001 * (slope ** 2 - square[i])
                theta[i] -= size * mean[i] / (1 - 0.9 ** step) / (Math.sqrt(square[i] / (1 - 0.999 ** step)) + 1e-8)
            })
        }
        history.push(Array.from(theta))
    }
    return {history, clean: right(theta, points, labels, 0), robust: right(theta, points, labels, judge)}
}
