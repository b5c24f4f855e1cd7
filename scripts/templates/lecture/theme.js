// Before the page is drawn: light or dark as chosen before, else as the system has it.
const kept = name => { try { return localStorage.getItem(`lecture-${name}`) } catch { return null } }
const keep = (name, value) => { try { localStorage.setItem(`lecture-${name}`, value) } catch { /* a browser that keeps nothing */ } }
if (kept("theme")) document.documentElement.dataset.theme = kept("theme")
