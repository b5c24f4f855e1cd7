// The random numbers of torch.Generator().manual_seed(seed), the same ones: its engine is MT19937 (Matsumoto and Nishimura 1998).

// Return count numbers, each what a function of its place returns.
const filled = (count, one) => {
    const x = new Float64Array(count)
    for (let i = 0; i < count; i++) x[i] = one(i)
    return x
}

// Return {bits, uniform, normal}: a number of 32 bits; count numbers in [0, 1), or standard normal ones, in double precision.
const generator = seed => {
    const state = new Uint32Array(624)
    state[0] = seed
    for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i
    let at = 624
    const twist = () => {
        for (let i = 0; i < 624; i++) {
            const both = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff)
            state[i] = state[(i + 397) % 624] ^ (both >>> 1) ^ (both & 1 ? 0x9908b0df : 0)
        }
        at = 0
    }
    const bits = () => {
        if (at === 624) twist()
        let y = state[at++]
        y ^= y >>> 11
        y ^= (y << 7) & 0x9d2c5680
        y ^= (y << 15) & 0xefc60000
        return (y ^ (y >>> 18)) >>> 0
    }
    const fraction = () => ((bits() & 0x1fffff) * 2 ** 32 + bits()) / 2 ** 53
    const uniform = count => filled(count, fraction)
    // Box and Muller's, eight pairs at a time; the last ones of a count that 16 does not divide are drawn once more.
    const normal = count => {
        if (count < 16) throw new Error(`at least 16 numbers are drawn together, got ${count}`)
        const x = uniform(count)
        const pairs = first => {
            for (let i = first; i < first + 8; i++) {
                const radius = Math.sqrt(-2 * Math.log(1 - x[i])), angle = 2 * Math.PI * x[i + 8]
                x[i] = radius * Math.cos(angle)
                x[i + 8] = radius * Math.sin(angle)
            }
        }
        for (let i = 0; i + 16 <= count; i += 16) pairs(i)
        if (count % 16) {
            for (let i = count - 16; i < count; i++) x[i] = fraction()
            pairs(count - 16)
        }
        return x
    }
    return {bits, uniform, normal}
}
