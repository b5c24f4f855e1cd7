// A picture of the reader's own, as data.py reads one: whole files only, the central square, resized with a triangle filter.

// Return whether bytes hold a JPEG, PNG or WebP picture to its end.
const whole = bytes => {
    const at = (first, text) => Array.from(text).every((one, i) => bytes[first + i] === one.charCodeAt(0))
    const word = first => new DataView(bytes.buffer, bytes.byteOffset).getUint32(first, true)
    if (bytes.length < 20) return false
    if (at(0, "\x89PNG")) return bytes.findLastIndex((_, i) => at(i, "IEND")) > 0
    if (at(0, "RIFF") && at(8, "WEBP")) return bytes.length >= 8 + word(4)
    if (!at(0, "\xff\xd8")) return false
    let place = 2
    while (place + 4 <= bytes.length && bytes[place] === 0xff && bytes[place + 1] !== 0xda) place += 2 + bytes[place + 2] * 256 + bytes[place + 3]
    return bytes[place] === 0xff && bytes.findLastIndex((one, i) => one === 0xd9 && bytes[i - 1] === 0xff) > place
}

// Return a square of pixels, numbers from 0 to 255, four a pixel, as an image (3, size, size) of pixels in [0, 1].
const resized = (pixels, side, size) => {
    const step = side / size, reach = Math.max(step, 1)
    const weights = Array.from({length: size}, (_, i) => {
        const middle = (i + 0.5) * step, first = Math.max(Math.floor(middle - reach + 0.5), 0), last = Math.min(Math.floor(middle + reach + 0.5), side)
        const own = Array.from({length: last - first}, (_, j) => Math.max(1 - Math.abs((first + j - middle + 0.5) / reach), 0))
        const sum = own.reduce((all, one) => all + one)
        return {first, own: own.map(one => one / sum)}
    })
    const mixed = (value, {first, own}) => Math.round(own.reduce((all, one, j) => all + one * value(first + j), 0))
    const channel = c => {
        const rows = Array.from({length: side}, (_, y) => weights.map(one => mixed(x => pixels[4 * (y * side + x) + c], one)))
        return weights.flatMap(one => weights.map((_, x) => mixed(y => rows[y][x], one) / 255))
    }
    return [0, 1, 2].flatMap(channel)
}
