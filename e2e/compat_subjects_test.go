//go:build e2e && compat

package e2e

// subject is a public repository that nobody here wrote, and how to see that it works.
type subject struct {
	repository string // on github.com
	kind       string
	page       string // path of a page
	says       string // what that page has (a regular expression)
	edit       edit   // a change that somebody makes while developing
	tells      string // for what cannot work here: what its refusal names (a regular expression)
}

// edit replaces old, which file has, by new; then the page has what it shows.
type edit struct{ file, old, new, shows string }

// subjects are brought as they are. What they need and a machine without an image registry and PyPI does
// not have is for Berth to name.
func subjects() []subject {
	return []subject{
		{repository: "Azure-Samples/nodejs-docs-hello-world", kind: "Node.js, Express, no lock file", page: "/api", says: "Fabrikam Bank API",
			edit: edit{"index.js", "Fabrikam Bank API", "Berthed Bank API", "Berthed Bank API"}},
		{repository: "digitalocean/sample-nodejs", kind: "Node.js, Express and Pug, yarn", page: "/", says: "See Also:",
			edit: edit{"views/random.pug", "h2 See Also:", "h2 Berthed", "<h2>Berthed"}},
		{repository: "digitalocean/sample-websocket", kind: "Node.js, WebSocket, fixed port 8080", page: "/", says: "Server stats",
			edit: edit{"public/index.html", "<h1>Server stats", "<h1>Berthed stats", "<h1>Berthed stats"}},
		{repository: "render-examples/express-hello-world", kind: "Node.js, Express, yarn", page: "/", says: "Hello from Render",
			edit: edit{"app.js", "<title>Hello from Render", "<title>Hello from Berth", "<title>Hello from Berth"}},
		{repository: "heroku/node-js-sample", kind: "Node.js 4 wanted, Express, Procfile", page: "/", says: "Hello World!",
			edit: edit{"index.js", "Hello World!", "Hello Berth!", "Hello Berth!"}},
		{repository: "koyeb/example-fastify", kind: "Node.js, Fastify", page: "/", says: `"root":true`,
			edit: edit{"routes/root.js", "root: true", "root: 'berthed'", `"root":"berthed"`}},
		{repository: "nestjs/typescript-starter", kind: "Node.js, NestJS, TypeScript", page: "/", says: "Hello World!",
			edit: edit{"src/app.service.ts", "Hello World!", "Hello Berth!", "Hello Berth!"}},
		{repository: "railwayapp-templates/expressjs", kind: "Node.js, Express, TypeScript, yarn", page: "/", says: "Hello world!",
			edit: edit{"src/index.ts", "Hello world!", "Hello Berth!", "Hello Berth!"}},
		{repository: "docker/getting-started-app", kind: "Node.js with SQLite or MySQL, yarn", page: "/", says: "Todo App",
			edit: edit{"src/static/index.html", "<title>Todo App", "<title>Berthed App", "<title>Berthed App"}, tells: "could not reach a server"},
		{repository: "dockersamples/helloworld-demo-node", kind: "Dockerfile on node:21.6.2-alpine", page: "/", says: "Hello from Docker",
			edit: edit{"app.js", "Hello from Docker!", "Hello from Berth!", "Hello from Berth!"}, tells: `node:21\.6\.2-alpine`},
		{repository: "benc-uk/nodejs-demoapp", kind: "Dockerfile on Alpine, with MongoDB where there is one", page: "/", says: "Node",
			edit: edit{"src/views/index.ejs", "Node", "Berthed Node", "Berthed Node"}, tells: "alpine"},
		{repository: "digitalocean/sample-nextjs", kind: "Next.js 14", page: "/", says: "Deployed to DigitalOcean",
			edit: edit{"pages/index.js", "Deployed to DigitalOcean", "Deployed to Berth", "Deployed to Berth"}},
		{repository: "render-examples/nextjs-hello-world", kind: "Next.js 15, yarn", page: "/about", says: "<html",
			edit: edit{"src/pages/about.js", "About", "Berthed", "Berthed"}},
		{repository: "koyeb/example-nextjs", kind: "Next.js 13, Dockerfile on node:18-alpine", page: "/", says: "Get started by editing",
			edit: edit{"src/app/page.tsx", "Get started by editing", "Berthed by editing", "Berthed by editing"}, tells: "node:18-alpine"},
		{repository: "digitalocean/sample-golang", kind: "Go, one dependency, Procfile", page: "/headers", says: "host=",
			edit: edit{"main.go", "host=%s", "berthed=%s", "berthed="}},
		{repository: "fly-apps/go-example", kind: "Go, embedded templates", page: "/", says: "Hello from Fly",
			edit: edit{"templates/index.html.tmpl", "Hello from Fly", "Hello from Berth", "Hello from Berth"}},
		{repository: "koyeb/example-go-gin", kind: "Go, Gin", page: "/", says: "Hello, world!",
			edit: edit{"server.go", `"Hello, world!"`, `"Hello, Berth!"`, "Hello, Berth!"}},
		{repository: "koyeb/example-golang", kind: "Go, standard library", page: "/", says: "Hello from Koyeb",
			edit: edit{"main.go", "Hello from Koyeb", "Hello from Berth", "Hello from Berth"}},
		{repository: "render-examples/go-gin-web-server", kind: "Go, Gin, server-sent events", page: "/room/hn", says: "<html",
			edit: edit{"resources/room_login.templ.html", "<body", "<body data-berthed", "<body data-berthed"}},
		{repository: "mccutchen/go-httpbin", kind: "Go, Dockerfile on golang:1.26 and distroless", page: "/", says: "httpbin",
			edit: edit{"httpbin/static/index.html.tmpl", "<body", "<body data-berthed", "<body data-berthed"}},
		{repository: "heroku/go-getting-started", kind: "Go, Dockerfile on heroku/heroku:24-build", page: "/", says: "Getting Started with Go",
			edit: edit{"templates/index.tmpl.html", "Getting Started", "Berthed", "Berthed"}, tells: "heroku/heroku:24"},
		{repository: "traefik/whoami", kind: "Go, Dockerfile on golang:1-alpine", page: "/", says: "Hostname",
			edit: edit{"app.go", "Hostname:", "Berthname:", "Berthname:"}, tells: "golang:1-alpine"},
		{repository: "gabrielecirulli/2048", kind: "static", page: "/", says: "<title>2048",
			edit: edit{"index.html", "<title>2048", "<title>Berthed 2048", "<title>Berthed 2048"}},
		{repository: "digitalocean/sample-html", kind: "static", page: "/", says: "<title>#000000",
			edit: edit{"index.html", "<title>#000000", "<title>Berthed", "<title>Berthed"}},
		{repository: "jakesgordon/javascript-tetris", kind: "static", page: "/", says: "Javascript Tetris",
			edit: edit{"index.html", "<title>Javascript Tetris", "<title>Berthed Tetris", "<title>Berthed Tetris"}},
		{repository: "digitalocean/sample-flask", kind: "Python, Flask with gunicorn", page: "/", says: "<html",
			edit: edit{"templates/index.html", "<body", "<body data-berthed", "<body data-berthed"}, tells: "(?i)flask|pypi|package index"},
	}
}
