//! The tree that is run: what is left of the grammar's tree once every known construct has a name.

use std::rc::Rc;

/// A statement with the line on which it starts, counted from one.
#[derive(Debug)]
pub(crate) struct Stmt {
    pub(crate) line: usize,
    pub(crate) kind: StmtKind,
}

/// Every statement of the dialect.
#[derive(Debug)]
pub(crate) enum StmtKind {
    Pipeline(Vec<Stage>),
    Assign { target: Expr, operator: String, value: Box<Stmt> },
    If { branches: Vec<(Stmt, Vec<Stmt>)>, otherwise: Option<Vec<Stmt>> },
    ForEach { variable: String, over: Box<Stmt>, body: Vec<Stmt> },
    For { start: Option<Box<Stmt>>, condition: Option<Box<Stmt>>, step: Option<Box<Stmt>>, body: Vec<Stmt> },
    While { condition: Box<Stmt>, body: Vec<Stmt> },
    Do { body: Vec<Stmt>, condition: Box<Stmt>, until: bool },
    Switch { mode: SwitchMode, over: Box<Stmt>, clauses: Vec<(Option<Expr>, Vec<Stmt>)> },
    Function { name: String, block: Rc<Block> },
    Leave { how: Leave, value: Option<Box<Stmt>> },
    Try { body: Vec<Stmt>, catches: Vec<(Vec<String>, Vec<Stmt>)>, finally: Option<Vec<Stmt>> },
    Empty,
}

/// How the clauses of a `switch` are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SwitchMode {
    Exact,
    Regex,
    Wildcard,
}

/// The words that leave the place where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Break,
    Continue,
    Throw,
    Return,
    Exit,
}

/// One part of a pipeline.
#[derive(Debug)]
pub(crate) enum Stage {
    Expression { expression: Expr, redirect: Redirect },
    Command(Command),
}

/// Where the streams of a stage go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Redirect {
    /// `> $null`
    pub(crate) drop_output: bool,
    /// `2> $null`
    pub(crate) drop_errors: bool,
    /// `2>&1`
    pub(crate) merge_errors: bool,
}

/// A command with what it is given.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) line: usize,
    pub(crate) name: Expr,
    pub(crate) dot_sourced: bool,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) redirect: Redirect,
}

/// What stands after a command's name.
#[derive(Debug)]
pub(crate) enum Argument {
    /// `-Name`, or `-Name:value`
    Parameter(String, Option<Expr>),
    Value(Expr),
    /// `@name`
    Splat(String),
}

/// An expression with its line, counted from one.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) line: usize,
    pub(crate) kind: ExprKind,
}

/// Every expression of the dialect.
#[derive(Debug)]
pub(crate) enum ExprKind {
    Int(i64),
    Double(f64),
    Text(String),
    Expand(Vec<Expr>),
    Variable(String),
    List(Vec<Expr>),
    Unary(String, Box<Expr>),
    Binary(String, Box<Expr>, Box<Expr>),
    Cast(String, Box<Expr>),
    Type(String),
    Member {
        of: Box<Expr>,
        name: Box<Expr>,
        is_static: bool,
    },
    Call {
        of: Box<Expr>,
        name: Box<Expr>,
        arguments: Vec<Expr>,
        is_static: bool,
    },
    Index(Box<Expr>, Box<Expr>),
    Paren(Box<Stmt>),
    Sub(Vec<Stmt>),
    ArrayOf(Vec<Stmt>),
    Block(Rc<Block>),
    Hash(Vec<(Expr, Stmt)>),
    /// `$x++` and its kin: the target, by how much, and whether the old value is the result.
    Step {
        target: Box<Expr>,
        by: i64,
        post: bool,
    },
}

/// A function's or script block's body.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) begin: Vec<Stmt>,
    pub(crate) process: Option<Vec<Stmt>>,
    pub(crate) end: Vec<Stmt>,
}

/// A declared parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) type_name: Option<String>,
    pub(crate) mandatory: bool,
    pub(crate) from_pipeline: bool,
    pub(crate) allowed: Vec<Expr>,
    pub(crate) default: Option<Expr>,
}
