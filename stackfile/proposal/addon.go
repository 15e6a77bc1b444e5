package proposal

import (
	"path"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// role is what a variable tells of a database.
type role string

const (
	roleURL      role = "url"
	roleHost     role = "host"
	rolePort     role = "port"
	roleUser     role = "user"
	rolePassword role = "password"
	roleDatabase role = "database"
	roleRegion   role = "region"
)

// addonKind is an add-on of the catalogue, and how applications know it.
type addonKind struct {
	pkg, title   string
	images       []string // the last part of an image's name
	schemes      []string // of its URLs
	prefixes     []string // of variables that tell of it
	urls         []string // names of variables that hold its URL, whatever their prefix
	parameters   map[role]string
	all          bool     // clients read all parameters by themselves, under the package's names
	dependencies []string // of package.json, Python and go.mod
}

// generalPrefixes begin the names of variables that may tell of any SQL database.
var generalPrefixes = []string{"DB_", "DATABASE_", "SQL_"}

// addonKinds are all add-ons that are proposed. What their packages call their parameters is held
// together with the packages by a test.
var addonKinds = []*addonKind{
	{
		pkg: "postgres", title: "PostgreSQL",
		images:   []string{"postgres", "postgresql", "postgis", "timescaledb", "pgvector"},
		schemes:  []string{"postgres", "postgresql"},
		prefixes: []string{"PG", "PG_", "POSTGRES_", "POSTGRESQL_", "DB_", "DATABASE_", "SQL_"},
		urls:     []string{"POSTGRES_PRISMA_URL", "SQLALCHEMY_DATABASE_URI", "SQLALCHEMY_DATABASE_URL", "DIRECT_URL"},
		parameters: map[role]string{roleURL: "DATABASE_URL", roleHost: "POSTGRES_HOST", rolePort: "POSTGRES_PORT",
			roleUser: "POSTGRES_USER", rolePassword: "POSTGRES_PASSWORD", roleDatabase: "POSTGRES_DB"},
		dependencies: []string{"pg", "pg-promise", "postgres", "pg-native", "@prisma/adapter-pg", "@vercel/postgres", "psycopg", "psycopg2", "psycopg2-binary", "asyncpg", "pg8000",
			"github.com/lib/pq", "github.com/jackc/pgx", "gorm.io/driver/postgres", "github.com/go-pg/pg"},
	},
	{
		pkg: "mariadb", title: "MariaDB",
		images:   []string{"mysql", "mariadb", "mysql-server", "percona"},
		schemes:  []string{"mysql", "mariadb"},
		prefixes: []string{"MYSQL_", "MARIADB_", "DB_", "DATABASE_", "SQL_"},
		parameters: map[role]string{roleURL: "DATABASE_URL", roleHost: "MARIADB_HOST", rolePort: "MARIADB_PORT",
			roleUser: "MARIADB_USER", rolePassword: "MARIADB_PASSWORD", roleDatabase: "MARIADB_DATABASE"},
		dependencies: []string{"mysql", "mysql2", "mariadb", "mysqlclient", "pymysql", "aiomysql", "mysql-connector-python",
			"github.com/go-sql-driver/mysql", "gorm.io/driver/mysql"},
	},
	{
		pkg: "valkey", title: "Valkey",
		images:   []string{"redis", "valkey", "redis-stack-server", "redis-stack", "keydb"},
		schemes:  []string{"redis"},
		prefixes: []string{"REDIS_", "VALKEY_", "KV_", "CACHE_"},
		urls:     []string{"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "BROKER_URL"},
		parameters: map[role]string{roleURL: "REDIS_URL", roleHost: "VALKEY_HOST", rolePort: "VALKEY_PORT",
			roleUser: "VALKEY_USER", rolePassword: "VALKEY_PASSWORD"},
		dependencies: []string{"redis", "ioredis", "bull", "bullmq", "connect-redis", "valkey", "iovalkey", "django-redis", "rq", "aioredis",
			"github.com/go-redis/redis", "github.com/redis/go-redis", "github.com/gomodule/redigo", "github.com/valkey-io/valkey-go", "github.com/hibiken/asynq"},
	},
	{
		pkg: "s3", title: "S3 storage",
		images:   []string{"minio", "garage", "seaweedfs", "localstack"},
		prefixes: []string{"S3_", "MINIO_", "AWS_S3_", "AWS_"},
		parameters: map[role]string{roleURL: "AWS_ENDPOINT_URL_S3", roleHost: "S3_HOST", rolePort: "S3_PORT", roleUser: "AWS_ACCESS_KEY_ID",
			rolePassword: "AWS_SECRET_ACCESS_KEY", roleDatabase: "S3_BUCKET", roleRegion: "AWS_REGION"},
		all:          true,
		dependencies: []string{"minio", "github.com/minio/minio-go"},
	},
}

func kindNamed(pkg string) *addonKind {
	for _, kind := range addonKinds {
		if kind.pkg == pkg {
			return kind
		}
	}
	return nil
}

// kindOfImage is the add-on that serves what an image does, nil where there is none.
func kindOfImage(image string) *addonKind {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, _, _ = strings.Cut(name, ":")
	for _, kind := range addonKinds {
		if slices.Contains(kind.images, name) {
			return kind
		}
	}
	return nil
}

func (k *addonKind) sql() bool { return k.pkg == "postgres" || k.pkg == "mariadb" }

// need is a database that a component's dependencies speak of.
type need struct {
	kind *addonKind
	why  because
}

// needsOf are the databases that a list of dependencies is for.
func needsOf(source string, dependencies []string) (needs []need) {
	for _, kind := range addonKinds {
		for _, d := range dependencies {
			if slices.ContainsFunc(kind.dependencies, func(known string) bool {
				return d == known || strings.Contains(known, "/") && strings.HasPrefix(d, known+"/")
			}) {
				needs = append(needs, need{kind, found(source, "depends on %s", shown(d))})
				break
			}
		}
	}
	return needs
}

// databases adds the add-ons that components need and that nothing brought yet.
func (r *repository) databases(s *stack) {
	for _, c := range s.components {
		c.choose(s)
		for _, n := range c.needs {
			if s.addonOf(n.kind) == nil {
				why := n.why
				why.kind, why.text = guessed("", "").kind, shown(c.identifier)+" "+why.text
				s.addons = append(s.addons, &addon{identifier: s.free(n.kind.pkg), kind: n.kind, why: why})
			}
		}
	}
}

// choose drops the databases of a component that can use one of several: which one is not to be told.
func (c *component) choose(s *stack) {
	var drivers []string
	for _, n := range c.needs {
		if n.kind.sql() && !slices.Contains(drivers, n.kind.title) && s.addonOf(n.kind) == nil {
			drivers = append(drivers, n.kind.title)
		}
	}
	if len(drivers) < 2 {
		return
	}
	c.note(berth.NoteMissing, "", "it has drivers for %s: add the one that it should use to addons, and what it reads of it to env.include", strings.Join(drivers, " and "))
	c.needs = slices.DeleteFunc(slices.Clone(c.needs), func(n need) bool { return n.kind.sql() && s.addonOf(n.kind) == nil })
}

func (s *stack) addonOf(kind *addonKind) *addon {
	for _, a := range s.addons {
		if a.kind == kind {
			return a
		}
	}
	return nil
}

var suffixes = []struct {
	suffix string
	role   role
}{
	{"CONNECTION_STRING", roleURL}, {"ENDPOINT_URL", roleURL}, {"ENDPOINT", roleURL}, {"URL", roleURL}, {"URI", roleURL}, {"DSN", roleURL},
	{"HOSTNAME", roleHost}, {"HOST", roleHost}, {"SERVER", roleHost}, {"PORT", rolePort},
	{"USERNAME", roleUser}, {"USER", roleUser}, {"ACCESS_KEY_ID", roleUser}, {"ACCESS_KEY", roleUser},
	{"SECRET_ACCESS_KEY", rolePassword}, {"SECRET_KEY", rolePassword}, {"PASSWORD", rolePassword}, {"PASSWD", rolePassword}, {"PASS", rolePassword},
	{"DATABASE", roleDatabase}, {"DBNAME", roleDatabase}, {"DB", roleDatabase}, {"NAME", roleDatabase}, {"BUCKET", roleDatabase}, {"BUCKET_NAME", roleDatabase},
	{"REGION", roleRegion}, {"ENDPOINT_URL_S3", roleURL}, {"ROOT_USER", roleUser}, {"ROOT_PASSWORD", rolePassword},
}

// tells returns what a variable of this name tells of a database of the kind, "" for nothing.
func (k *addonKind) tells(variable string) role {
	if slices.Contains(k.urls, variable) {
		return roleURL
	}
	for _, prefix := range k.prefixes {
		rest, ok := strings.CutPrefix(variable, prefix)
		if !ok {
			continue
		}
		for _, s := range suffixes {
			if rest == s.suffix && k.parameters[s.role] != "" {
				return s.role
			}
		}
	}
	return ""
}
