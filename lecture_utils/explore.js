// Runs when the picture appears: ipywidgets gives its handles no name, and tells a value's index instead of the value.
for (const one of this.closest('.lecture-explorer').querySelectorAll('.widget-slider')) {
    const handle = one.querySelector('.noUi-handle'), value = one.querySelector('.widget-readout')
    if (!handle || handle.ariaLabel) continue
    const tell = () => handle.ariaValueText = value.textContent
    handle.ariaLabel = one.querySelector('.widget-label').textContent
    new MutationObserver(tell).observe(value, {childList: true, characterData: true, subtree: true})
    tell()
}
