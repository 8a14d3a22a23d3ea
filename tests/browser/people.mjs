// A PM asks for changes and answers a question, two people approve, one on the page and one on the forge, in a real
// browser. Usage: node people.mjs ASPORA CHROMIUM. Exit code 1 at the first thing that is not as it should be.
import assert from 'node:assert/strict'
import { spawn, execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import puppeteer from 'puppeteer-core'

const [aspora, chromium] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'aspora-browser-'))
const port = 20000 + (process.pid % 20000)
const base = `http://127.0.0.1:${port}`
const env = { ...process.env, XDG_DATA_HOME: join(folder, 'home'), ASPORA_SERVER: base }
delete env.ASPORA_API_KEY

// Everything of `aspora dev`, and where the twin's people sign in.
const dev = spawn(aspora, ['dev', '--port', String(port), '--data', join(folder, 'data')], { env })
let printed = ''
dev.stdout.on('data', data => (printed += data))
dev.stderr.on('data', data => (printed += data))
const soon = async (what, check, limit = 120_000) => {
	for (const end = Date.now() + limit; ; ) {
		const found = await check().catch(() => undefined)
		if (found) return found
		if (Date.now() > end) throw new Error(`${what}, but it did not happen\n${printed}`)
		await new Promise(done => setTimeout(done, 200))
	}
}

const command = async (words, key) => {
	const { stdout } = await promisify(execFile)(aspora, [...words, '-o', 'json'], {
		env: key ? { ...env, ASPORA_API_KEY: key } : env,
	})
	return JSON.parse(stdout)
}

// What people are notified of, by path.
const notices = []
const receiver = createServer((request, response) => {
	let body = ''
	request.on('data', data => (body += data))
	request.on('end', () => {
		notices.push([request.url.slice(1), JSON.parse(body).type, request.headers['webhook-id']])
		response.end()
	})
})

const run = async browser => {
	await new Promise(done => receiver.listen(0, '127.0.0.1', done))
	const twin = (await soon('dev starts', async () => printed.match(/http:\S+\/login/)))[0]
	const password = printed.match(/^ +noor +write +(\S+)$/m)[1]
	await soon('it is ready', async () => (await fetch(`${base}/readyz`)).ok)
	const keys = {}
	for (const [name, role, ...more] of [['Pia', 'pm'], ['Ines', 'engineer', 'ines'], ['Noor', 'engineer', 'noor']]) {
		const login = more.flatMap(login => ['--forge-login', login])
		keys[name] = (await command(['key', 'create', '--person', name, '--role', role, ...login])).secret
		const url = `http://127.0.0.1:${receiver.address().port}/${name}`
		await command(['subscription', 'create', 'webhook', url], keys[name])
	}
	const errors = []
	const page = async () => {
		const page = await (await browser.createBrowserContext()).newPage()
		page.on('pageerror', error => errors.push(String(error)))
		page.on('console', message => message.type() === 'error' && errors.push(message.text()))
		return page
	}
	const sent = (page, act) => Promise.all([page.waitForNavigation(), act()])
	const submitted = (page, form, fill = '') =>
		sent(page, () => page.evaluate(`{ const form = document.querySelector(${JSON.stringify(form)}); ${fill} form.requestSubmit() }`))
	// `dev` signs its own person in; everybody else signs out first.
	const person = async name => {
		const it = await page()
		await it.goto(base)
		await submitted(it, 'form[action="/sign-out"]')
		await it.type('input[name=key]', keys[name])
		await sent(it, () => it.keyboard.press('Enter'))
		assert.match(await it.$eval('.who', who => who.textContent), new RegExp(name))
		return it
	}
	const now = page => page.$eval('#now', now => now.textContent)
	const says = (page, text) => soon(`the page says ${text}`, async () => text.test(await now(page)))
	const asks = async (page, title) => {
		await page.goto(base)
		await page.$eval('details.new', details => (details.open = true))
		await page.type('#title', title)
		await page.type('#body', 'As said in the title.')
		await submitted(page, 'form.requirement')
		return page.url()
	}

	const pia = await person('Pia')
	await asks(pia, 'make risk better')
	await says(pia, /to answer 1 question/)
	await pia.type('form[action$="/answers"] textarea', '5 % of the portfolio')
	await submitted(pia, 'form[action$="/answers"]')
	await says(pia, /^Done: merged/)

	const critical = await asks(pia, 'Limit the largest order that a customer may place')
	await says(pia, /2 of 2 approvals/)
	assert.equal(await pia.$('form[action$="/opinion"]'), null, 'a PM approves nothing')
	const needsYou = name => notices.filter(([who, type]) => who === name && type === 'run.needs_you').length
	await soon('both approvers are notified', async () => needsYou('Ines') === 1 && needsYou('Noor') === 1)

	const ines = await person('Ines')
	await ines.goto(`${base}/?view=needs-me`)
	assert.equal(await ines.$$eval('td.title', titles => titles.length), 1)
	await ines.goto(critical)
	await submitted(ines, 'form[action$="/opinion"]')
	await says(ines, /1 of 2 approvals/)

	const noor = await page()
	await noor.goto(twin)
	await noor.type('input[name=login]', 'noor')
	await noor.type('input[type=password]', password)
	await sent(noor, () => noor.keyboard.press('Enter'))
	await noor.goto(await ines.$$eval('a', links => links.map(link => link.href).find(href => /\/pull\/\d+$/.test(href))))
	await sent(noor, () =>
		noor.$$eval('button', buttons => buttons.find(button => /^approve$/i.test(button.innerText.trim())).click()),
	)
	await says(ines, /^Done: merged/)
	const said = await ines.evaluate(() => document.body.innerText)
	assert.match(said, /ines \(Ines\)\s+here\s+approves[\s\S]*/)
	assert.match(said, /noor\s+the forge\s+approves/)

	const acts = (await command(['audit', 'list', '--limit', '100'])).items ?? []
	for (const [who, act] of [['Pia', 'run.answer'], ['Ines', 'run.approve']])
		assert.ok(acts.some(row => row.person === who && row.act === act), `${who} ${act}`)
	await promisify(execFile)(aspora, ['audit', 'verify'], { env })
	await soon('Pia is notified of both merges', async () => notices.filter(([who, type]) => who === 'Pia' && type === 'run.merged').length === 2)
	assert.equal(new Set(notices.map(([who, , id]) => who + id)).size, notices.length, 'nobody is notified twice')
	assert.deepEqual(errors, [])
}

const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox'] })
try {
	await run(browser)
	console.log('ok: asked, answered, approved here and on the forge, merged, and all of it in the audit log')
} catch (error) {
	console.error(error)
	process.exitCode = 1
} finally {
	await browser.close()
	receiver.close()
	dev.kill('SIGINT')
}
