/* SPDX-License-Identifier: MIT
 *
 * Which statements can change what a call, an operator or a cast means: those that define
 * functions, operators, casts and types, give them another name or place or take them away, and
 * code that may do so.
 */
#include "sql/analyse.h"

static bool
is_callable(ObjectType t)
{
	switch (t) {
	case OBJECT_FUNCTION:
	case OBJECT_PROCEDURE:
	case OBJECT_ROUTINE:
	case OBJECT_AGGREGATE:
	case OBJECT_OPERATOR:
	case OBJECT_CAST:
	case OBJECT_TYPE:
	case OBJECT_DOMAIN:
	/* with what is in them */
	case OBJECT_SCHEMA:
	case OBJECT_EXTENSION:
		return true;
	default:
		return false;
	}
}

bool
an_redefines(const Node *n)
{
	switch (nodeTag(n)) {
	case T_CreateFunctionStmt:
	case T_AlterFunctionStmt:
	case T_AlterOperatorStmt:
	case T_CreateCastStmt:
	case T_CreateDomainStmt:
	case T_AlterDomainStmt:
	case T_CompositeTypeStmt:
	case T_CreateEnumStmt:
	case T_CreateRangeStmt:
	case T_AlterTypeStmt:
	case T_CreateExtensionStmt:
	case T_AlterExtensionStmt:
	case T_AlterExtensionContentsStmt:
	case T_DoStmt:
		return true;
	case T_DefineStmt:
		return is_callable(((const DefineStmt *) n)->kind);
	case T_DropStmt:
		return is_callable(((const DropStmt *) n)->removeType);
	case T_RenameStmt:
		return is_callable(((const RenameStmt *) n)->renameType);
	case T_AlterObjectSchemaStmt:
		return is_callable(((const AlterObjectSchemaStmt *) n)->objectType);
	case T_TransactionStmt:
		return ((const TransactionStmt *) n)->kind == TRANS_STMT_COMMIT_PREPARED;
	default:
		return false;
	}
}
